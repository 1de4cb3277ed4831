// An action service (FLOW_EXTENSION) that decrypts what it is sent and encrypts what it answers, with npm `jose`, a
// certified implementation. Used by the scenarios in tests/scenarios/real_world.
//
//   encrypting.mjs FOLDER
//
// FOLDER has its private key, `service.key` (PKCS#8), and the other side's certificate, `weir.pem`. Prints its URL.

import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as jose from 'jose';

const [folder] = process.argv.slice(2);
const read = (name) => readFileSync(join(folder, name), 'utf8');
const ALGORITHMS = { alg: 'RSA-OAEP-256', enc: 'A256GCM' };
const key = await jose.importPKCS8(read('service.key'), ALGORITHMS.alg);
const weir = await jose.importX509(read('weir.pem'), ALGORITHMS.alg);

async function open(compact) {
  const { plaintext, protectedHeader } = await jose.compactDecrypt(compact, key, {
    keyManagementAlgorithms: [ALGORITHMS.alg], contentEncryptionAlgorithms: [ALGORITHMS.enc],
  });
  if (protectedHeader.cty !== 'application/json') throw new Error(`cty is ${protectedHeader.cty}`);
  return new TextDecoder().decode(plaintext);
}

const seal = (text, header = {}) => new jose.CompactEncrypt(new TextEncoder().encode(text))
  .setProtectedHeader({ ...ALGORITHMS, cty: 'application/json', ...header }).encrypt(weir);

// Answers with what it has read: who gets it back knows that both ways work.
async function act({ event }) {
  const { claims, credentials } = event.flow.user;
  const mobile = await open(claims[0].value);
  const { type, value } = JSON.parse(await open(credentials.password));
  const replace = (claim, value) => ({ op: 'replace', path: `/user/claims[uri=http://wso2.org/claims/${claim}]`, value });
  const operations = [replace('tier', await seal(`${mobile}|${type}|${value}`)), replace('interests', [await seal('chess,tea')])];
  return { actionStatus: 'SUCCESS', operations };
}

const server = createServer(async (request, response) => {
  let body = '';
  for await (const part of request) body += part;
  const answer = await act(JSON.parse(body)).catch((error) => ({
    actionStatus: 'FAILED', failureReason: 'unreadable', failureDescription: String(error).slice(0, 200),
  }));
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(answer));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));
