// What a page asks the site for in the name of whoever is logged in.

export class Refused extends Error {
  final = true; // asking again is of no use
}

export class Site {
  constructor(addresses) {
    this.addresses = addresses;
    this.me = { actor: null, may: {}, token: "" };
    this.send = this.send.bind(this);
    this.answers = this.answers.bind(this);
  }

  /** Find out who one is here, and what one may do. */
  async learn() {
    try {
      const answer = await this.reach(this.addresses.me);
      if (answer.ok) this.me = await answer.json();
    } catch {
      // then nobody is known, and the page says so
    }
    return this.me;
  }

  /** The answer to a request, which may never come. */
  async reach(url, options) {
    try {
      return await fetch(url, { cache: "no-store", ...options });
    } catch {
      throw new Error("The site does not answer");
    }
  }

  /** Ask by a POST; an error is `final` where the site has refused. */
  async post(url, content) {
    const answer = await this.reach(url, {
      method: "POST",
      headers: { "content-type": "application/json", "x-soundmill-token": this.me.token },
      body: JSON.stringify(content),
    });
    const data = await answer.json().catch(() => ({}));
    if (answer.ok) return data;
    const said = [data.error || `the site answers ${answer.status}`, ...(data.problems || []).map((each) => each.message)];
    if (answer.status >= 500) throw new Error(said[0]);
    throw new Refused(said.join("; "));
  }

  async send(wishes) {
    return (await this.post(this.addresses.wishes, { wishes })).asked;
  }

  async answers(numbers) {
    const answer = await this.reach(`${this.addresses.wishes}?ids=${numbers.join(",")}`);
    if (!answer.ok) throw new Error(`The site answers ${answer.status}`);
    return (await answer.json()).answers;
  }
}
