const crypto = require('crypto');

function verifySignature(payload, signature, secret) {
  const expectedSignature = crypto
    .createHmac('sha256', secret)
    .update(payload, 'utf8')
    .digest('hex');
  
  const receivedSignature = signature.replace('sha256=', '');
  
  return crypto.timingSafeEqual(
    Buffer.from(expectedSignature, 'hex'),
    Buffer.from(receivedSignature, 'hex')
  );
}

// Above: the platform's function, word for word. Below: one JSON question a
// line on standard input, one JSON answer a line on standard output.
//
//   {"op": "sign",   "body": base64, "text": bool, "secret": "…"}
//   {"op": "verify", "body": base64, "text": bool, "secret": "…", "signature": "…"}
//
// text says that the body is given as a string, as express.text would, and not
// as a Buffer, as express.raw does.
const lines = require('readline').createInterface({ input: process.stdin });

lines.on('line', (line) => {
  const q = JSON.parse(line);
  const raw = Buffer.from(q.body, 'base64');
  const payload = q.text ? raw.toString('utf8') : raw;
  const answer = {};
  if (q.op === 'sign') {
    answer.signature = crypto.createHmac('sha256', q.secret).update(payload, 'utf8').digest('hex');
  } else {
    try {
      answer.ok = verifySignature(payload, q.signature, q.secret);
    } catch (err) {
      answer.ok = false;
      answer.error = err.name;
    }
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
});
