// The receiver from the documentation of Inbox webhooks, made runnable. It
// stands behind inboxgate, and would work without: the request, its body and its
// signature reach it as the platform sent them. What differs from the
// documentation has a comment that says why.
const crypto = require('crypto');
const express = require('express');

const secret = process.env.INBOX_WEBHOOK_SECRET;
// createHmac takes an empty key without complaint, and then anyone can sign.
if (!secret) {
  console.error('set INBOX_WEBHOOK_SECRET to the secret of the webhook');
  process.exit(1);
}

function verifySignature(payload, signature, secret) {
  // Without the header, signature.replace would throw and answer 500.
  if (typeof signature !== 'string') return false;

  const expectedSignature = crypto
    .createHmac('sha256', secret)
    .update(payload, 'utf8')
    .digest('hex');

  const receivedSignature = signature.replace('sha256=', '');

  const expected = Buffer.from(expectedSignature, 'hex');
  const received = Buffer.from(receivedSignature, 'hex');
  // timingSafeEqual throws on different lengths; the length is no secret.
  return expected.length === received.length && crypto.timingSafeEqual(expected, received);
}

const app = express();

// 1mb is what inboxgate lets through; Express alone stops at 100kb, with a 413
// that no retry can change.
app.post('/webhooks/inbox', express.raw({type: 'application/json', limit: '1mb'}), (req, res) => {
  const signature = req.headers['x-inbox-signature'];
  const payload = req.body;

  // With another content type express.raw leaves no body to verify.
  if (!Buffer.isBuffer(payload) || !verifySignature(payload, signature, secret)) {
    return res.status(401).send('Unauthorized');
  }

  const event = JSON.parse(payload);

  // Handle the event
  switch (event.type) {
    case 'message.delivered':
      handleMessageDelivered(event.id, event.data);
      break;
    case 'message.read':
      handleMessageRead(event.id, event.data);
      break;
    case 'message.failed':
      handleMessageFailed(event.id, event.data);
      break;
    case 'message.action':
      handleMessageAction(event.id, event.data);
      break;
    default:
      console.log('Unhandled event type:', event.type);
  }

  res.status(200).send('OK');
});

// Yours to write. inboxgate brings an event at least once: after a crash in the
// middle of an attempt it comes again with the same id (also in the header
// Idempotency-Key), so do the work once per id. The log has ids and no phone
// numbers.
function handleMessageDelivered(id, data) {
  console.log('delivered', id, data.message_id);
}

function handleMessageRead(id, data) {
  console.log('read', id, data.message_id);
}

function handleMessageFailed(id, data) {
  console.log('failed', id, data.message_id, data.error_code);
}

function handleMessageAction(id, data) {
  console.log('action', id, data.message_id, data.action);
}

const port = process.env.PORT || 3000;
// Only this machine. In a container of its own it needs HOST=0.0.0.0.
const host = process.env.HOST || '127.0.0.1';
// Express 5 hands a failed listen to this callback instead of throwing.
const server = app.listen(port, host, (err) => {
  if (err) throw err;
  console.log('listening on', server.address().port);
});
