// Sends COUNT messages of every type to a group as a protobuf client, and prints what arrived.
// Usage: node protobuf.cjs FOLDER_WITH_NODE_MODULES CONNECTION_STRING HUB COUNT
"use strict";
const { createRequire } = require("node:module");
const path = require("node:path");
const [folder, connectionString, hub, count] = process.argv.slice(2);
const load = createRequire(`${folder}/`);

// Shorten the client's waits of a second: between acknowledgements, and before each recovery.
const wait = globalThis.setTimeout;
globalThis.setTimeout = (action, ms, ...rest) => wait(action, ms === 1000 ? 10 : ms, ...rest);

const { WebPubSubServiceClient } = load("@azure/web-pubsub");
const { WebPubSubClient, WebPubSubJsonProtocol } = load("@azure/web-pubsub-client");
const protobuf = load("protobufjs");

const schema = protobuf.loadSync(path.join(__dirname, "client.proto"));
const Upstream = schema.lookupType("UpstreamMessage");
const Downstream = schema.lookupType("DownstreamMessage");

function writeData({ data, dataType }) {
  const bytes = (buffer) => new Uint8Array(buffer);
  return {
    text: () => ({ textData: data }),
    json: () => ({ jsonData: JSON.stringify(data) }),
    binary: () => ({ binaryData: bytes(data) }),
    protobuf: () => ({ protobufData: data }),
  }[dataType]();
}

function readData(data) {
  if (data.data === "jsonData") return { dataType: "json", data: JSON.parse(data.jsonData) };
  if (data.data === "binaryData") return { dataType: "binary", data: [...data.binaryData] };
  if (data.data === "protobufData") return { dataType: "protobuf", data: data.protobufData };
  return { dataType: "text", data: data.textData };
}

function writeMessage(message) {
  const { kind, group, ackId, noEcho, event, sequenceId } = message;
  const fields = {
    joinGroup: () => ({ joinGroupMessage: { group, ackId } }),
    leaveGroup: () => ({ leaveGroupMessage: { group, ackId } }),
    sendToGroup: () => ({ sendToGroupMessage: { group, ackId, noEcho, data: writeData(message) } }),
    sendEvent: () => ({ eventMessage: { event, ackId, data: writeData(message) } }),
    sequenceAck: () => ({ sequenceAckMessage: { sequenceId } }),
    ping: () => ({ pingMessage: {} }),
  }[kind]();
  return Upstream.encode(Upstream.fromObject(fields)).finish();
}

function parseMessages(input) {
  const decoded = Downstream.decode(new Uint8Array(input));
  const message = Downstream.toObject(decoded, { longs: Number, oneofs: true, defaults: false });
  if (message.ackMessage) {
    const { ackId = 0, success = false, error } = message.ackMessage;
    return { kind: "ack", ackId, success, error };
  }
  if (message.dataMessage) {
    const { from, group, data, sequenceId } = message.dataMessage;
    const kind = from === "group" ? "groupData" : "serverData";
    return { kind, group, sequenceId, ...readData(data) };
  }
  if (message.pongMessage) return { kind: "pong" };
  const { connectedMessage, disconnectedMessage } = message.systemMessage;
  if (connectedMessage) return { kind: "connected", ...connectedMessage };
  return { kind: "disconnected", message: disconnectedMessage.reason };
}

const protocol = {
  name: "protobuf.reliable.webpubsub.azure.v1",
  isReliableSubProtocol: true,
  parseMessages,
  writeMessage,
};
const options = { allowInsecureConnection: true };
const service = new WebPubSubServiceClient(connectionString, hub, options);

async function connect(ownProtocol) {
  const roles = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"];
  const { url } = await service.getClientAccessToken({ roles, userId: "ann" });
  const client = new WebPubSubClient(url, { protocol: ownProtocol });
  await client.start();
  return client;
}

async function untilItWorks(action) {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      await new Promise((done) => wait(done, 20)); // the connection dropped; it recovers by itself
    }
  }
}

const ANY = { type_url: "type.googleapis.com/azure.webpubsub.TestMessage", value: "CAE=" };
const TYPES = {
  text: (number) => `text ${number}`,
  json: (number) => ({ number }),
  binary: (number) => new Uint8Array([number]).buffer,
  protobuf: () => ({ typeUrl: ANY.type_url, value: Buffer.from(ANY.value, "base64") }),
};

async function main() {
  const received = [];
  const receiver = await connect(protocol);
  const wanted = Number(count) * Object.keys(TYPES).length;
  const done = new Promise((resolve) => {
    receiver.on("group-message", ({ message }) => {
      const { dataType, data } = message;
      const shown = dataType === "protobuf" ? [data.typeUrl, [...data.value]] : data;
      received.push([dataType, shown]);
      if (received.length === wanted) resolve();
    });
  });
  await untilItWorks(() => receiver.joinGroup("g"));
  const sender = await connect(protocol);
  let ackId = 1;
  for (let number = 0; number < Number(count); number += 1) {
    for (const [type, make] of Object.entries(TYPES)) {
      const id = ackId;
      ackId += 1;
      await untilItWorks(() => sender.sendToGroup("g", make(number), type, { ackId: id }));
    }
  }
  await done;
  const json = await connect(WebPubSubJsonProtocol());
  const seen = new Promise((resolve) => json.on("group-message", (event) => resolve(event.message)));
  await untilItWorks(() => json.joinGroup("other"));
  await untilItWorks(() => sender.sendToGroup("other", TYPES.protobuf(), "protobuf", { ackId }));
  const bytes = Buffer.from((await seen).data).toString("base64");
  console.log(JSON.stringify({ received, bytes }));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
