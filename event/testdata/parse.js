// What an app sees of a body: one JSON line {"body": base64} on standard input,
// one answer on standard output.
const lines = require('readline').createInterface({ input: process.stdin });

lines.on('line', (line) => {
  const raw = Buffer.from(JSON.parse(line).body, 'base64');
  const answer = { ok: false };
  try {
    const event = JSON.parse(raw);
    answer.ok = true;
    answer.id = event.id;
    answer.type = event.type;
    answer.created_at = event.created_at;
    answer.ms = event.created_at === undefined ? 0 : Date.parse(event.created_at);
  } catch (err) {
    answer.error = err.name;
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
});
