// The same service as attempts.py, for Node: ``node attempts.js PORT``.
"use strict";

const http = require("node:http");

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

function attempt(token, seconds) {
  return new Promise((resolve) => {
    const options = { port: Number(process.env.WITNESS), agent: false, headers: { "X-Request-ID": token } };
    const request = http.get({ host: "127.0.0.1", ...options }, (answer) => {
      clearTimeout(timer);
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode));
    });
    const timer = setTimeout(() => request.destroy(), 1000 * seconds);
    request.on("error", () => resolve(504));
  });
}

async function again(words) {
  const timeout = Number(words.get("timeout"));
  let status = await attempt(words.get("token"), timeout);
  for (const wait of (words.get("waits") || "").split(",").filter(Boolean)) {
    if (status < 500) break;
    await pause(Number(wait));
    status = await attempt(words.get("token"), timeout);
  }
  return String(status);
}

http
  .createServer(async (request, response) => {
    const body = await again(new URL(request.url, "http://here").searchParams);
    response.setHeader("Content-Length", body.length).end(body);
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
