// A certified OpenID provider (npm `oidc-provider`) with clients and users of its own, on a free loopback port, and a
// small API that takes its tokens. Used by the scenarios in tests/scenarios/real_world.
//
//   openid.mjs FOLDER
//
// Writes the private keys of the assertion grant to FOLDER, and prints the issuer's URL.

import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as jose from 'jose';
import { Provider, errors } from 'oidc-provider';

const [folder] = process.argv.slice(2);
const ASSERTION_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SECRET = 'a-client-secret+with/odd%characters:and=more';
const USER = { username: 'ada', password: 'pass word&more=é' };

const client = (client_id, grant, token_endpoint_auth_method) => ({
  client_id,
  ...(token_endpoint_auth_method === 'none' ? {} : { client_secret: SECRET }),
  grant_types: [grant],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method,
});

const configuration = (keys) => ({
  clients: [
    client('basic-client', 'client_credentials', 'client_secret_basic'),
    client('body-client', 'client_credentials', 'client_secret_post'),
    client('password-client', 'password', 'client_secret_basic'),
    client('assertion-client', ASSERTION_GRANT, 'none'),
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
  },
  scopes: ['openid', 'read', 'write'],
  ttl: { AccessToken: 600, ClientCredentials: 600, Grant: 600 },
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  jwks: { keys },
});

// What a grant without a user at a browser gives: a token for an account.
async function tokenFor(provider, ctx, accountId, grantType) {
  const { client } = ctx.oidc;
  const grant = new provider.Grant({ accountId, clientId: client.clientId });
  grant.addOIDCScope('openid');
  const token = new provider.AccessToken({
    accountId, client, grantId: await grant.save(), gty: grantType, scope: 'openid',
  });
  ctx.body = { access_token: await token.save(), expires_in: token.expiration, scope: token.scope, token_type: token.tokenType };
}

function registerGrants(provider, assertionKeys) {
  provider.registerGrantType('password', async (ctx) => {
    const { username, password } = ctx.oidc.params;
    if (username !== USER.username || password !== USER.password) throw new errors.InvalidGrant('no such user');
    await tokenFor(provider, ctx, username, 'password');
  }, ['username', 'password', 'scope']);

  // RFC 7523 section 3: known key, issuer, audience, lifetime, and no assertion twice.
  const seen = new Set();
  provider.registerGrantType(ASSERTION_GRANT, async (ctx) => {
    const key = ({ kid, alg }) => {
      const known = assertionKeys[alg];
      if (!known || kid !== `key-${alg}`) throw new errors.InvalidGrant(`no such key: ${kid}, ${alg}`);
      return known.publicKey;
    };
    const rules = { issuer: 'weir-scenarios', audience: `${provider.issuer}/token`, requiredClaims: ['exp', 'iat', 'jti', 'sub'] };
    const verified = await jose.jwtVerify(ctx.oidc.params.assertion ?? '', key, rules).catch((error) => {
      throw new errors.InvalidGrant(String(error));
    });
    const { jti, sub, exp, iat } = verified.payload;
    if (seen.has(jti) || exp - iat > 600) throw new errors.InvalidGrant('used before, or for too long');
    seen.add(jti);
    await tokenFor(provider, ctx, sub, ASSERTION_GRANT);
  }, ['assertion', 'scope']);
}

// An API that takes the provider's tokens. `/resource?then=revoke` withdraws the token after it was used.
let issued = 0;
async function api(provider, request, response) {
  const url = new URL(request.url, provider.issuer);
  const answer = (status, body, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
  if (url.pathname === '/issued') return answer(200, { issued });
  const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const token = (await provider.AccessToken.find(bearer)) ?? (await provider.ClientCredentials.find(bearer));
  if (!token?.isValid) return answer(401, { error: 'invalid_token' }, { 'www-authenticate': 'Bearer error="invalid_token"' });
  if (url.searchParams.get('then') === 'revoke') await token.destroy();
  return answer(200, { client: token.clientId, scope: token.scope, subject: token.accountId });
}

const generate = (alg, options = {}) => jose.generateKeyPair(alg, { extractable: true, ...options });
const signing = await generate('RS256');
const assertionKeys = {
  RS256: await generate('RS256'), ES256: await generate('ES256'), EdDSA: await generate('EdDSA', { crv: 'Ed25519' }),
};
for (const [alg, { privateKey }] of Object.entries(assertionKeys)) {
  writeFileSync(join(folder, `${alg}.pem`), await jose.exportPKCS8(privateKey), { mode: 0o600 });
}

let serve = () => {};
const server = createServer((request, response) => serve(request, response));
server.listen(0, '127.0.0.1', async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration([{ ...(await jose.exportJWK(signing.privateKey)), use: 'sig' }]));
  registerGrants(provider, assertionKeys);
  provider.on('grant.success', () => { issued += 1; });
  const certified = provider.callback();
  serve = (request, response) => (/^\/(resource|issued)/.test(request.url) ? api(provider, request, response) : certified(request, response));
  process.stdout.write(`${issuer}\n`);
});
