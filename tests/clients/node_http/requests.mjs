// Requests with undici: node requests.mjs HTTP_URL HTTPS_URL CERTIFICATE
// The first URL is that of examples/web_server, the second one that of examples/https_server.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent, Client, Pool, request } from "undici";

const [plain, secure, certificate] = process.argv.slice(2);
const large = Buffer.from(Array.from({ length: 300_000 }, (_, i) => `${i}\n`).join(""));

async function fetchText(url, options) {
  const { statusCode, body } = await request(url, options);
  return [statusCode, await body.text()];
}

async function useNotes(dispatcher) {
  assert.deepEqual(await fetchText(`${plain}/notes/tuesday`, { dispatcher, method: "PUT", body: "buy milk" }), [204, ""]);
  assert.deepEqual(await fetchText(`${plain}/notes/tuesday`, { dispatcher }), [200, "buy milk\n"]);
  assert.deepEqual(await fetchText(`${plain}/none`, { dispatcher }), [404, "Not Found\n"]);
  assert.deepEqual(await fetchText(`${plain}/notes/tuesday`, { dispatcher, method: "HEAD" }), [200, ""]);
}

async function echoLargeBody(url, dispatcher) {
  const { statusCode, body } = await request(`${url}/echo`, { dispatcher, method: "PUT", body: large });
  assert.equal(statusCode, 200);
  assert.ok(Buffer.from(await body.arrayBuffer()).equals(large));
}

async function pipeline() {
  const client = new Client(plain, { pipelining: 10 });
  const all = Array.from({ length: 200 }, (_, i) => fetchText(`${plain}/count/${i + 1}`, { dispatcher: client }));
  for (const [i, [status, text]] of (await Promise.all(all)).entries()) {
    assert.equal(status, 200);
    assert.equal(text, Array.from({ length: i + 1 }, (_, n) => `${n + 1}\n`).join(""));
  }
  await client.close();
}

async function requestInParallel() {
  const pool = new Pool(plain, { connections: 50 });
  for (let round = 0; round < 40; ++round)
    for (const [status] of await Promise.all(Array.from({ length: 50 }, () => fetchText(`${plain}/notes`, { dispatcher: pool }))))
      assert.equal(status, 200);
  await pool.close();
}

async function useTls(allowH2, expected) {
  const dispatcher = new Agent({ allowH2, connect: { ca: readFileSync(certificate) } });
  assert.deepEqual(await fetchText(`${secure}/hello`, { dispatcher }), [200, expected]);
  await echoLargeBody(secure, dispatcher);
  await dispatcher.close();
}

const agent = new Agent();
await useNotes(agent);
await echoLargeBody(plain, agent);
await agent.close();
await pipeline();
await requestInParallel();
await useTls(false, "hello over HTTP/1.1\n");
await useTls(true, "hello over HTTP/2\n");
console.log("undici works");
