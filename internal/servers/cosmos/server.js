// Starts @vercel/cosmosdb-server, an independent Azure Cosmos DB server in
// memory, on a free port of the loopback interface, and prints that port. It
// ends when its standard input does, which is when the process ends that
// started it, however that ends.
//
// Where the package differs from the service in what the tests rely on, it is
// put right here:
//
//   - reading a document that is not there answers 404, not 500;
//   - a request for a database or container that is not there answers 404 with
//     sub-status 1003, not 500;
//   - a document, or a request, of more than 2 MB answers 413;
//   - a condition is parsed once for all times and tokens that it may compare.
//     The package's parser takes time that is exponential in the depth of
//     parentheses: hundreds of milliseconds for each of our patches;
//   - connections are kept.
'use strict';

const lib = '@vercel/cosmosdb-server/lib/';
const MEGABYTES = 2 * 1024 * 1024;

// answer replaces a request handler by one that may answer in its place.
function answer(name, instead) {
  const handler = require(lib + 'handler/' + name);
  const asItWas = handler.default;
  handler.default = async (account, req, res, params) =>
    instead(account, req, res, params) || asItWas(account, req, res, params);
}

function refuse(res, status, code, substatus) {
  res.statusCode = status;
  if (substatus) res.setHeader('x-ms-substatus', substatus);
  return {code, message: code};
}

function container(account, {dbId, collId}) {
  const db = account.database(dbId);
  return db.read() && db.collection(collId).read() ? db.collection(collId) : undefined;
}

const partition = require(lib + 'utils/get-partition-from-header');

function missing(account, req, res, params) {
  if (!container(account, params)) return refuse(res, 404, 'NotFound', '1003');
  if (Number(req.headers['content-length']) > MEGABYTES) return refuse(res, 413, 'RequestEntityTooLarge');
  return undefined;
}

for (const name of ['create-document', 'replace-document', 'delete-document', 'patch-document', 'query-documents']) {
  answer(name, missing);
}
answer('read-document', (account, req, res, params) => {
  const refused = missing(account, req, res, params);
  if (refused) return refused;
  const key = partition.parsePartitionKey(partition.default(req), params.docId);
  return container(account, params).document(params.docId, key).read() ? undefined : refuse(res, 404, 'NotFound');
});
answer('read-database', (account, req, res, {dbId}) => (account.database(dbId).read() ? undefined : refuse(res, 404, 'NotFound')));
for (const name of ['read-collection', 'delete-collection']) {
  answer(name, (account, req, res, params) => (container(account, params) ? undefined : refuse(res, 404, 'NotFound', '1003')));
}

const parse = require('@zeit/cosmosdb-query').default;
const Items = require(lib + 'account/items').default;
const queries = new Map();
const ofOne = 'SELECT * FROM c WHERE c.id = @id AND (';
const query = Items.prototype.query;

Items.prototype._getQuery = text => {
  if (!queries.has(text)) queries.set(text, parse(text));
  return queries.get(text);
};
Items.prototype.query = function (params, options) {
  if (!params.query.startsWith(ofOne)) return query.call(this, params, options);
  const parameters = [...params.parameters];
  const parameter = value => {
    parameters.push({name: `@p${parameters.length}`, value});
    return parameters[parameters.length - 1].name;
  };
  const text = params.query
    .replace(/'([0-9a-f-]+)'/g, (_, hex) => parameter(hex))
    .replace(/(?<![\w@.'])\d+(?![\w'])/g, digits => parameter(Number(digits)));
  const {id} = Object.fromEntries(parameters.map(p => [p.name.slice(1), p.value]));
  const one = [...this._data.values()].map(item => item.read()).filter(d => d.id === id);
  return this._getQuery(text).exec(one, {parameters});
};

const {createHttpServer} = require(lib + 'index');
const server = createHttpServer({keepAlive: true});
server.keepAliveTimeout = 60e3;
server.listen(Number(process.argv[2] || 0), '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
