// SPDX-License-Identifier: MIT
// Loaded before a Node program (node_leave.c): it leaves without cutting anybody off.
//
// At `disconnect` Node's cluster closes each server. From Node 18.2 on that closes every
// connection without an open request at once, also those on which one has been sent and
// not been read yet, and their clients are reset; before, they stay until nobody asks for
// five seconds. HTTP has one cure: the last answer says `Connection: close`. A program that
// got its server as a message (node-ipc) has nobody who would close it at all. Nothing else
// is changed, and nothing before that moment.
'use strict';
(() => {
	const REST_MS = 500; // a connection on which nothing was asked for so long is closed
	const LOOK_MS = 100;
	const mine = `--require ${__filename}`;
	const given = process.env.NODE_OPTIONS || '';

	// What the program finds in its environment, and gives to its children, is its own.
	if (given === mine) delete process.env.NODE_OPTIONS;
	else if (given.startsWith(`${mine} `)) process.env.NODE_OPTIONS = given.slice(mine.length + 1);

	if (!process.channel) return; // a thread of the program

	function eachHttp(change) {
		change(require('http').Server.prototype);
		try {
			change(require('https').Server.prototype);
		} catch (e) {} // a Node without TLS
	}

	function sayClose(prototype) {
		const { emit } = prototype;

		prototype.emit = function (event, req, res) {
			if (event === 'request') res.shouldKeepAlive = false;
			return emit.apply(this, arguments);
		};
	}

	function closeLater(prototype) {
		const { close } = prototype;

		prototype.close = function (...args) {
			const idle = this.closeIdleConnections;

			if (typeof idle === 'function') {
				this.closeIdleConnections = () => {};
				setInterval(() => idle.call(this), REST_MS).unref();
			}
			return close.apply(this, args);
		};
	}

	// Of a server that never listened Node keeps no list: a connection's own counters tell.
	function rests(socket, seen) {
		const now = Date.now(), last = seen.get(socket);

		if (!socket.parser || socket._httpMessage) return false; // not HTTP, or not answered
		if (!last || last.bytes !== socket.bytesRead) seen.set(socket, { bytes: socket.bytesRead, at: now });
		else if (now - last.at >= REST_MS) return true;
		return false;
	}

	function closeServers() {
		const net = require('net'), seen = new WeakMap();
		const timer = setInterval(look, LOOK_MS);

		function look() {
			let open = 0;

			for (const handle of process._getActiveHandles()) {
				if (handle instanceof net.Server) handle.close();
				if (!(handle instanceof net.Socket) || !handle._server) continue;
				if (rests(handle, seen)) handle.destroySoon();
				else open++;
			}
			if (open > 0) return;
			clearInterval(timer);
			if (process.connected) process.disconnect();
		}
		look();
	}

	process.prependListener('internalMessage', (message) => {
		const { cmd, act } = message || {};

		if (cmd === 'NODE_CLUSTER' && act === 'disconnect') {
			eachHttp(sayClose);
			eachHttp(closeLater);
		} else if (cmd === 'NODE_MPSUP' && act === 'leave') {
			eachHttp(sayClose);
			closeServers();
		}
	});
})();
