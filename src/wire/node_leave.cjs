// SPDX-License-Identifier: MIT
// Loaded before a Node program (node_leave.c): kept connections end politely when it leaves.
//
// At `disconnect` Node's cluster closes each server. From Node 18.2 on that closes every
// connection without an open request at once, also those on which one has been sent and
// not been read yet, and their clients are reset; before, they stay until nobody asks for
// five seconds. HTTP has one cure: the last answer says `Connection: close`. Nothing else
// is changed, and nothing at all before that moment.
'use strict';
(() => {
	const REST_MS = 500; // a connection on which nothing was asked for so long is closed
	const mine = `--require ${__filename}`;
	const given = process.env.NODE_OPTIONS || '';

	// What the program finds in its environment, and gives to its children, is its own.
	if (given === mine) delete process.env.NODE_OPTIONS;
	else if (given.startsWith(`${mine} `)) process.env.NODE_OPTIONS = given.slice(mine.length + 1);

	if (!process.channel) return; // a thread of the program

	function leave(server) {
		const close = server.closeIdleConnections;

		server.prependListener('request', (req, res) => { res.shouldKeepAlive = false; });
		if (typeof close !== 'function') return;
		server.closeIdleConnections = () => {};
		setInterval(() => close.call(server), REST_MS).unref();
	}

	function before(prototype) {
		const { close } = prototype;

		prototype.close = function (...args) {
			leave(this);
			return close.apply(this, args);
		};
	}

	process.prependListener('internalMessage', (message) => {
		if (!message || message.cmd !== 'NODE_CLUSTER' || message.act !== 'disconnect') return;
		before(require('http').Server.prototype);
		try {
			before(require('https').Server.prototype);
		} catch (e) {} // a Node without TLS
	});
})();
