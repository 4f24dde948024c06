// Greets, where HOST and PORT say.
const http = require('http');

const host = process.env.HOST || '127.0.0.1';
const port = Number(process.env.PORT || 8080);
const server = http.createServer((request, response) => response.end('Hello from Node.js!\n'));
server.listen(port, host, () => console.log(`listening on ${host}:${port}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
