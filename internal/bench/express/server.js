// A yardstick: the Express receiver of the Inbox documentation, made as safe as
// its readers would make it. MODE says how far:
//
//   alone   verifies, parses and answers; nothing is kept
//   redis   remembers ids in Redis, so that a copy is dropped; nothing is kept
//   bullmq  also puts each event into a BullMQ queue before it answers
//
// With `appendfsync always` Redis has fsynced a command before it answers it.
const crypto = require('crypto');
const express = require('express');

const {INBOX_WEBHOOK_SECRET: secret, MODE: mode, PORT: port, REDIS_PORT: redisPort} = process.env;
if (!secret || !['alone', 'redis', 'bullmq'].includes(mode)) {
  console.error('set INBOX_WEBHOOK_SECRET, and MODE to alone, redis or bullmq');
  process.exit(1);
}
const connection = {host: '127.0.0.1', port: Number(redisPort)};
const ids = mode === 'alone' ? null : new (require('ioredis').Redis)(connection);
const queue = mode === 'bullmq' ? new (require('bullmq').Queue)('events', {connection}) : null;

function verifySignature(payload, signature, secret) {
  if (typeof signature !== 'string') return false;
  const expectedSignature = crypto
    .createHmac('sha256', secret)
    .update(payload, 'utf8')
    .digest('hex');
  const receivedSignature = signature.replace('sha256=', '');
  const expected = Buffer.from(expectedSignature, 'hex');
  const received = Buffer.from(receivedSignature, 'hex');
  return expected.length === received.length && crypto.timingSafeEqual(expected, received);
}

const day = 24 * 60 * 60;

// keep stores an event once. A failure frees its id for the platform's retry.
async function keep(event) {
  if (!ids) return;
  const key = 'inbox:' + event.id;
  if (await ids.set(key, '1', 'EX', day, 'NX') === null) return;
  if (!queue) return;
  try {
    await queue.add(event.type, event, {attempts: 6});
  } catch (err) {
    await ids.del(key);
    throw err;
  }
}

const app = express();

app.post('/webhooks/inbox', express.raw({type: 'application/json', limit: '1mb'}), async (req, res) => {
  const payload = req.body;
  if (!Buffer.isBuffer(payload) || !verifySignature(payload, req.headers['x-inbox-signature'], secret)) {
    return res.status(401).send('Unauthorized');
  }
  await keep(JSON.parse(payload));
  res.status(200).send('OK');
});

const server = app.listen(Number(port), '127.0.0.1', (err) => {
  if (err) throw err;
  console.log('listening on', server.address().port);
});
