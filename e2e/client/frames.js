// A page whose client is in its frame. It exposes the frame's globals as its own.
for (const name of ['client', 'record', 'talk']) Object.defineProperty(globalThis, name, { get: () => frames[0][name] })
