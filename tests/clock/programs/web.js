// The same service as web.py, for Node.
const http = require("node:http");
const now = () => String(process.hrtime.bigint());
const server = http.createServer((request, response) => {
  const send = (body) => response.setHeader("Content-Length", body.length).end(body);
  const url = new URL(request.url, "http://here");
  if (url.pathname === "/nap") setTimeout(() => send(now()), 1000 * Number(url.searchParams.get("s")));
  else send(url.pathname === "/pid" ? String(process.pid) : now());
});
server.keepAliveTimeout = 0;
server.listen(Number(process.argv[2]), "127.0.0.1");
