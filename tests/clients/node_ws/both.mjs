// The library ws as a client and as a server of examples/web_socket, which sends all messages back.
//     node both.mjs WEB_SOCKET
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { WebSocket, WebSocketServer } from "ws";

const program = process.argv[2];
const limit = setTimeout(() => { console.error("node-ws: not finished in time"); process.exit(1); }, 60_000);
const messages = ["", "hello", "µ".repeat(1000), "x".repeat(70_000), Buffer.from([255, 0]), randomBytes(300_000),
                  Buffer.alloc(2_000_000)];

/// Sends all messages, and compares what comes back.
async function checkEcho(socket) {
    const got = [];
    let arrived = () => {};
    const onMessage = (data, isBinary) => { got.push(isBinary ? data : data.toString()); arrived(); };
    socket.on("message", onMessage);
    const all = [...messages, ...Array.from({ length: 1000 }, (_, i) => String(i))];
    for (const message of all) socket.send(message);
    socket.send("two ", { fin: false });
    socket.send("frames", { fin: true });
    socket.ping("p");
    const [pong] = await once(socket, "pong");
    assert.equal(pong.toString(), "p");
    while (got.length < all.length + 1) await new Promise(resolve => { arrived = resolve; });
    assert.deepEqual(got, [...all, "two frames"]);
    socket.off("message", onMessage);
}

const server = spawn(program, ["serve", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
const [line] = await once(createInterface(server.stdout), "line");
const port = line.match(/:(\d+)$/)[1];
const deflate = { threshold: 0 };
for (const perMessageDeflate of [false, deflate, { ...deflate, serverNoContextTakeover: true, clientNoContextTakeover: true },
                                 { ...deflate, serverMaxWindowBits: 10 }]) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate, maxPayload: 0 });
    await once(socket, "open");
    assert.equal(socket.extensions.startsWith("permessage-deflate"), perMessageDeflate !== false);
    await checkEcho(socket);
    socket.close(4000, "done");
    const [code] = await once(socket, "close");
    assert.equal(code, 4000);
}
server.kill("SIGTERM");
assert.equal((await once(server, "exit"))[0], 0);

for (const perMessageDeflate of [false, deflate]) {
    const accepting = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate, maxPayload: 0 });
    await once(accepting, "listening");
    const client = spawn(program, ["connect", `ws://127.0.0.1:${accepting.address().port}/`, "2"], { stdio: "inherit" });
    const ended = once(client, "exit");
    for (let i = 0; i < 2; ++i) {
        const [socket] = await once(accepting, "connection");
        await checkEcho(socket);
        socket.close(1001);
        const [code] = await once(socket, "close");
        assert.equal(code, 1001);
    }
    assert.equal((await ended)[0], 0);
    accepting.close();
}
clearTimeout(limit);
console.log("ws: client and server passed");
