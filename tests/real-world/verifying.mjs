// Verifies a JWT with npm `jose`, a certified implementation. Used by the scenarios in tests/scenarios/real_world.
//
//   verifying.mjs JWT JWK-SET ALGORITHM
//
// Prints header and claims as JSON; fails where the JWT does not verify.

import * as jose from 'jose';

const [jwt, keys, algorithm] = process.argv.slice(2);
const set = jose.createLocalJWKSet(JSON.parse(keys));
const { payload, protectedHeader } = await jose.jwtVerify(jwt, set, {
  algorithms: [algorithm], issuer: 'https://weir.test', audience: 'shop', subject: 'u1', typ: 'at+jwt',
});
const [key] = JSON.parse(keys).keys;
console.log(JSON.stringify({ payload, header: protectedHeader, thumbprint: await jose.calculateJwkThumbprint(key) }));
