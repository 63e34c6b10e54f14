// Serves each message of the corpus with Node's HTTP server: one hexadecimal number in a line of the standard input. Prints
// the requests that the server has seen as one line of JSON: [[method, target, body], ...]. The body is null if it was not
// received completely.
import { createServer } from "node:http";
import { connect } from "node:net";
import { createInterface } from "node:readline";

let seen = [];
const server = createServer((request, response) => {
  const one = [request.method, request.url, null];
  seen.push(one);
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    one[2] = Buffer.concat(parts).toString("latin1");
    response.end("ok");
  });
  request.on("error", () => {});
});
server.on("clientError", (error, socket) => socket.destroy());
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const serve = (message) =>
  new Promise((resolve) => {
    seen = [];
    const socket = connect({ port: server.address().port, host: "127.0.0.1", allowHalfOpen: true });
    const late = setTimeout(() => socket.destroy(), 2000);
    socket.on("data", () => {});
    socket.on("end", () => socket.destroy());
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(late);
      resolve(seen);
    });
    socket.end(message);
  });

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await serve(Buffer.from(line, "hex"))));
}
process.exit(0);
