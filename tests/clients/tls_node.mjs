// SPDX-License-Identifier: MIT
// A peer of tls_matrix.py with Node's module tls. Options and output are those of tls_peer.cpp; --tls VERSION is the only
// version that it uses.
import fs from 'node:fs';
import tls from 'node:tls';

const [role, ...words] = process.argv.slice(2);
const given = {};
for (let i = 0; i + 1 < words.length; i += 2) given[words[i].replace(/^--/, '')] = words[i + 1];
const count = Number(given.count ?? 1);
const file = (path) => (path ? fs.readFileSync(path) : undefined);

const settings = {
    minVersion: `TLSv${given.tls}`,
    maxVersion: `TLSv${given.tls}`,
    cert: file(given.cert),
    key: file(given.key),
    ALPNProtocols: given.alpn?.split(','),
};

function describe(peer) {
    const version = peer.getProtocol().replace('TLSv', '');
    const resumed = peer.isSessionReused() ? 'yes' : 'no';
    const name = role === 'server' ? peer.servername || '' : '';
    const subject = peer.getPeerCertificate()?.subject?.CN ?? '';
    return `version=${version}\talpn=${peer.alpnProtocol || ''}\tresumed=${resumed}\tname=${name}\tpeer=${subject}`;
}

function print(handshake, bytes, end, error) {
    const text = error ? `${error.code ?? ''} ${error.message}`.trim().replaceAll('\n', ' ') : '';
    console.log(`${handshake ?? 'version='}\tbytes=${bytes}\tend=${end}\terror=${text}`);
}

function runServer() {
    let left = count;
    const server = tls.createServer({ ...settings, allowHalfOpen: true, ca: file(given['client-ca']),
                                      requestCert: 'client-ca' in given, rejectUnauthorized: true });
    const [host, cert, key] = (given.second ?? '').split(',');
    if (key) server.addContext(host, { cert: file(cert), key: file(key) });
    const ended = (...fields) => {
        print(...fields);
        if (--left === 0) server.close();
    };
    server.on('tlsClientError', (error) => ended(undefined, 0, '', error));
    server.on('secureConnection', (peer) => {
        const handshake = describe(peer);
        let [bytes, end, failure] = [0, '', undefined];
        peer.on('data', (data) => { bytes += data.length; peer.write(data); });
        peer.on('end', () => { end = 'closed'; peer.end(); });
        peer.on('error', (error) => { failure = error; });
        peer.on('close', () => ended(handshake, bytes, end, failure));
    });
    server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
}

function talk(session) {
    return new Promise((resolve) => {
        const size = Number(given.size ?? 100);
        const peer = tls.connect({ ...settings, host: '127.0.0.1', port: Number(given.port), servername: given.host,
                                   ca: file(given.ca), session, allowHalfOpen: true });
        let [handshake, bytes, end, failure, next] = [undefined, 0, '', undefined, session];
        peer.on('secureConnect', () => {
            handshake = describe(peer);
            peer.write('x'.repeat(size - 1) + '\n');
        });
        peer.on('session', (made) => { next = made; });
        peer.on('data', (data) => {
            bytes += data.length;
            if (bytes === size) peer.end();
        });
        peer.on('end', () => { end = 'closed'; peer.end(); });
        peer.on('error', (error) => { failure = error; });
        peer.on('close', () => {
            print(handshake, bytes, end, failure);
            resolve(next);
        });
    });
}

if (role === 'server') {
    runServer();
} else {
    let session;
    for (let left = count; left > 0; --left) session = await talk(session);
}
