// Uses mini_redis through node-redis and ioredis, with their default options.  usage: node client.mjs PORT
import assert from 'node:assert';
import { Redis } from 'ioredis';
import { createClient } from 'redis';

const port = Number(process.argv[2]);
const fail = (error) => { console.error(error); process.exit(1); };

const server = createClient({ socket: { port, host: '127.0.0.1' } });
server.on('error', fail);
await server.connect();
await server.sendCommand(['FLUSHALL']);
assert.equal(await server.ping(), 'PONG');
assert.equal(await server.set('n', '1', { EX: 100 }), 'OK');
assert.equal(await server.incrBy('n', 41), 42);
assert.equal(await server.set('n', '7', { GET: true, KEEPTTL: true }), '42');
assert.ok(await server.ttl('n') > 90);
assert.equal(await server.get('none'), null);
const done = await server.multi().set('m', 'a').get('m').hSet('h', { f: '1' }).hGetAll('h').exec();
assert.deepEqual(done.slice(0, 3), ['OK', 'a', 1]);
assert.equal(done[3].f, '1');
assert.equal(await server.sAdd('s', ['x', 'y']), 2);
assert.deepEqual([...await server.sMembers('s')].sort(), ['x', 'y']);
assert.equal((await server.configGet('databases')).databases, '1');
const listener = server.duplicate();
listener.on('error', fail);
await listener.connect();
let hear;
const heard = new Promise((resolve) => { hear = resolve; });
await listener.subscribe('news', (message) => hear(message));
assert.equal(await server.publish('news', 'hello'), 1);
assert.equal(await heard, 'hello');
await listener.close();
await server.close();

const other = new Redis(port, '127.0.0.1');
other.on('error', fail);
assert.equal(await other.set('x', 'y', 'EX', 100), 'OK');
assert.deepEqual(await other.multi().incr('c').get('c').exec(), [[null, 1], [null, '1']]);
await other.quit();
console.log('node-redis and ioredis work');
