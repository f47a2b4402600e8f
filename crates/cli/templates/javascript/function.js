addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

/** Greets, and says what was asked for. */
async function answer(request) {
  const { pathname, search } = new URL(request.url);
  const text = `Hello, world! You asked for ${pathname}${search}.\n`;
  return new Response(text, { headers: { 'content-type': 'text/plain' } });
}
