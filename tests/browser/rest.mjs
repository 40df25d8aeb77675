// The server's REST, asked by the page with fetch.

/** What a scenario needs of it, on behalf of that page. */
export function rest(page, server, { token = null } = {}) {
  const ask = (method, path, body) =>
    page.evaluate(
      async ([url, method, body, token]) => {
        const headers = token ? { Authorization: `Bearer ${token}` } : {};
        if (body) headers['Content-Type'] = 'application/json';
        const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
        const text = await response.text();
        return { status: response.status, body: text && JSON.parse(text) };
      },
      [`${server}/api/v1${path}`, method, body, token],
    );
  const good = async (method, path, body) => {
    const answer = await ask(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  return {
    ask,
    /** Creates a pipeline from a description and returns its name. */
    create: async (description) => (await good('POST', '/pipelines', description)).id,
    get: (name) => good('GET', `/pipelines/${name}`),
    stats: (name) => good('GET', `/pipelines/${name}/stats`),
    /** Tells one of its elements something; what that answers. */
    command: (name, element, command, body = {}) =>
      good('POST', `/pipelines/${name}/elements/${element}/commands/${command}`, body),
    /** Ends it; what the server says of its end. */
    remove: (name) => good('DELETE', `/pipelines/${name}`),
  };
}
