// Drives every method of toxiproxy-node-client against the server that is named on the command line.
const assert = require("node:assert");
const { Toxiproxy } = require(process.argv[2]);

async function main(url, listen) {
  const toxiproxy = new Toxiproxy(url);
  assert.strictEqual(JSON.parse(await toxiproxy.getVersion()).version, "2.12.0");
  const body = { name: "node", listen: `localhost:${listen}`, upstream: "localhost:1" };
  const proxy = await toxiproxy.createProxy(body);
  assert.deepStrictEqual([proxy.name, proxy.listen, proxy.enabled], ["node", `127.0.0.1:${listen}`, true]);
  await assert.rejects(toxiproxy.createProxy(body), /409/);
  await assert.rejects(toxiproxy.get("nobody"), /404/);

  const populated = await toxiproxy.populate([body, { ...body, name: "off", enabled: false }]);
  assert.deepStrictEqual(Object.keys(populated).sort(), ["node", "off"]);
  assert.deepStrictEqual(Object.keys(await toxiproxy.getAll()).sort(), ["node", "off"]);

  const attributes = { average_size: 1000, size_variation: 1000, delay: 5 };
  const toxic = await proxy.addToxic({ name: "slices", type: "slicer", attributes });
  assert.deepStrictEqual(toxic.attributes, attributes);
  await assert.rejects(proxy.addToxic({ name: "slices", type: "slicer", attributes }), /409/);
  await assert.rejects(proxy.addToxic({ name: "x", type: "down", attributes: {} }), /400/);
  const updated = await toxic.update({ attributes: { delay: 7 }, toxicity: 0.5 });
  assert.deepStrictEqual([updated.attributes.delay, updated.toxicity], [7, 0.5]);
  assert.strictEqual((await proxy.getToxic("slices")).toxicity, 0.5);
  await toxic.remove();
  await assert.rejects(proxy.getToxic("slices"), /404/);

  const disabled = await proxy.update({ enabled: false, listen: proxy.listen, upstream: proxy.upstream });
  assert.strictEqual(disabled.enabled, false);
  await (await toxiproxy.get("off")).remove();
  await toxiproxy.reset();
  assert.strictEqual((await toxiproxy.get("node")).enabled, true);
  await proxy.remove();
  assert.deepStrictEqual(await toxiproxy.getAll(), {});
  console.log("every method did as it should");
}

main(process.argv[3], process.argv[4]).catch((error) => {
  console.error(error);
  process.exit(1);
});
