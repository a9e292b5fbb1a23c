// The script of every page: an extra. Each page works without it.
(() => {
	'use strict';
	const $ = (id) => document.getElementById(id);
	const keep = (key, value) => {
		try {
			if (value === undefined) return localStorage.getItem(key);
			localStorage.setItem(key, value);
		} catch { /* A browser that keeps nothing. */ }
	};
	const live = $('live'), pause = $('pause'), said = $('said');
	const say = (text) => { if (said) said.textContent = text; };

	// Times: UTC as they came, local, or how long ago.
	const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
	const ago = (t) => {
		const s = Math.round((Date.now() - t) / 1000), n = Math.abs(s);
		if (n < 1) return 'now';
		const [name, of] = units.find((u) => n >= u[1]);
		const text = Math.floor(n / of) + ' ' + name;
		return s < 0 ? 'in ' + text : text + ' ago';
	};
	const two = (n) => String(n).padStart(2, '0');
	const local = (t) => {
		const clock = [t.getHours(), t.getMinutes(), t.getSeconds()].map(two).join(':');
		return Date.now() - t < 72e6 ? clock : [t.getFullYear(), two(t.getMonth() + 1), two(t.getDate())].join('-') + ' ' + clock;
	};
	const times = () => {
		const how = keep('times') || 'utc';
		for (const el of document.querySelectorAll('time:not(.ago)')) {
			if (!el.dataset.utc) el.dataset.utc = el.textContent;
			const t = new Date(el.dateTime);
			const text = how === 'utc' ? el.dataset.utc : how === 'local' ? local(t) : ago(t);
			if (el.textContent !== text) el.textContent = text;
		}
		for (const b of document.querySelectorAll('[data-times]')) b.setAttribute('aria-pressed', String(b.dataset.times === how));
	};

	// merge makes the children of one element those of another, and leaves alone what is
	// the same: focus, selection and what is open stay.
	const merge = (to, from) => {
		const want = [...from.childNodes];
		want.forEach((b, i) => {
			const a = to.childNodes[i];
			if (!a) to.append(b);
			else if (a.nodeType !== b.nodeType || a.nodeName !== b.nodeName || a.id !== b.id) a.replaceWith(b);
			else if (a.nodeType !== 1) {
				if (a.data !== b.data) a.data = b.data;
			} else {
				if (a.isEqualNode(b) || a.contains(document.activeElement) && a.matches('form')) return;
				for (const { name } of [...a.attributes]) if (!b.hasAttribute(name) && name !== 'open') a.removeAttribute(name);
				for (const { name, value } of b.attributes) if (a.getAttribute(name) !== value) a.setAttribute(name, value);
				merge(a, b);
			}
		});
		while (to.childNodes.length > want.length) to.lastChild.remove();
	};
	const ask = async (url) => {
		const answer = await fetch(url, { headers: { 'X-Fragment': '1' }, credentials: 'same-origin', redirect: 'error' });
		const box = document.createElement('template');
		box.innerHTML = await answer.text();
		if (!answer.ok) throw new Error(String(answer.status));
		return box.content;
	};

	// What is live is asked for again, unless it is paused or nobody sees it.
	let every = live ? Number(live.dataset.every || 0) : 0, paused = keep('paused') === 'yes', timer, failed = 0;
	const shown = () => {
		if (!pause) return;
		pause.hidden = every === 0;
		pause.setAttribute('aria-pressed', String(paused));
		pause.textContent = paused ? 'Paused' : failed ? 'No answer' : 'Live';
	};
	const turn = async () => {
		clearTimeout(timer);
		if (every > 0 && !paused && !document.hidden) {
			try {
				const box = await ask(location.href);
				if (!paused) merge(live, box);
				if (live.querySelector('[data-end]')) every = 0;
				if (failed) say('The page is up to date again.');
				failed = 0;
			} catch {
				if (!failed++) say('No answer: what is shown is old.');
			}
			document.body.classList.toggle('old', failed > 0);
			times();
			shown();
		}
		wait();
	};
	const wait = () => {
		clearTimeout(timer);
		if (every > 0) timer = setTimeout(turn, every * 1000 * Math.min(1 + failed, 6));
	};
	const stop = () => {
		paused = !paused;
		keep('paused', paused ? 'yes' : 'no');
		say(paused ? 'Paused' : 'Live');
		shown();
		if (!paused) turn();
	};
	document.addEventListener('visibilitychange', () => { if (!document.hidden) turn(); });

	// Counts that take long come after the page.
	for (const el of document.querySelectorAll('[data-src]')) ask(el.dataset.src).then((box) => el.replaceChildren(box), () => {});

	document.addEventListener('click', async (e) => {
		const b = e.target.closest('button');
		if (!b) return;
		if (b.dataset.times) { keep('times', b.dataset.times); times(); }
		if (b === pause) stop();
		if (b.id === 'help') $('keys').showModal();
		if (b.dataset.copy) {
			try {
				await navigator.clipboard.writeText($(b.dataset.copy).textContent);
				say('Copied');
			} catch {
				getSelection().selectAllChildren($(b.dataset.copy));
				say('Selected: copy it with the keyboard');
			}
			b.classList.add('done');
			setTimeout(() => b.classList.remove('done'), 1500);
		}
	});

	const off = $('keys-off');
	if (off) {
		off.checked = keep('keys') === 'off';
		off.addEventListener('change', () => keep('keys', off.checked ? 'off' : 'on'));
	}
	document.addEventListener('keydown', (e) => {
		if (e.ctrlKey || e.altKey || e.metaKey || e.target.closest('input,select,textarea,dialog')) return;
		if (e.key === '?') $('keys').showModal();
		else if (keep('keys') === 'off') return;
		else if (e.key === 'j' || e.key === 'k') {
			const rows = [...document.querySelectorAll('[data-row]')];
			const at = rows.findIndex((row) => row.contains(document.activeElement));
			const row = rows[e.key === 'j' ? Math.min(at + 1, rows.length - 1) : Math.max(at - 1, 0)];
			if (row) row.querySelector('a,button').focus();
		} else if (e.key === '/' && $('q')) $('q').focus();
		else if (e.key === 'p' && every > 0) stop();
		else return;
		e.preventDefault();
	});

	for (const id of ['times', 'help']) if ($(id)) $(id).hidden = false;
	for (const b of document.querySelectorAll('[data-copy]')) b.hidden = false;
	times();
	shown();
	wait();
})();
