// A page whose client is in its frame: it shows what is there as its own.
for (const name of ['client', 'record', 'talk']) Object.defineProperty(globalThis, name, { get: () => frames[0][name] })
