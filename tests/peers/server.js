// A server of OTLP by grpc-js. Argument: a file in JSON with a list of cases, which servers.py
// writes. Each case has a port of its own. Prints a line of JSON for each call.
"use strict";

const fs = require("fs");
const grpc = require("@grpc/grpc-js");

if (process.argv[2] === "--version") {
  const { version } = require("@grpc/grpc-js/package.json");
  console.log(version);
  process.exit();
}

const unhex = (text) => Buffer.from(text, "hex");
const say = (line) => fs.writeSync(1, JSON.stringify(line) + "\n");
// Messages are passed on as they are: OTLP's own classes read them afterwards.
const service = {
  Export: {
    path: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    requestStream: false,
    responseStream: false,
    requestDeserialize: (raw) => raw,
    requestSerialize: (raw) => raw,
    responseDeserialize: (raw) => raw,
    responseSerialize: (raw) => raw,
  },
};

function serve(one) {
  const options = {};
  if (one.age) options["grpc.max_connection_age_ms"] = one.age;
  if (one.ping) {
    options["grpc.keepalive_time_ms"] = one.ping;
    // A ping that is not answered ends no connection: the agent answers it with its next call.
    options["grpc.keepalive_timeout_ms"] = 3600e3;
  }
  const server = new grpc.Server(options);
  let calls = 0;
  server.addService(service, {
    Export(call, callback) {
      calls += 1;
      say({
        name: one.name,
        from: call.getPeer(),
        time: Date.now() / 1000,
        message: call.request.toString("base64"),
      });
      if (calls > one.failures) return callback(null, unhex(one.answer));
      const metadata = new grpc.Metadata();
      metadata.set("grpc-status-details-bin", unhex(one.status));
      callback({ code: one.code, details: one.text, metadata });
    },
  });
  const credentials = one.certificate
    ? grpc.ServerCredentials.createSsl(null, [
        { cert_chain: fs.readFileSync(one.certificate), private_key: fs.readFileSync(one.key) },
      ])
    : grpc.ServerCredentials.createInsecure();
  return new Promise((resolve, reject) => {
    const done = (error) => (error ? reject(error) : resolve());
    server.bindAsync(`127.0.0.1:${one.port}`, credentials, done);
  });
}

const cases = JSON.parse(fs.readFileSync(process.argv[2], "utf-8"));
Promise.all(cases.map(serve)).then(
  () => say({ ready: true }),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
