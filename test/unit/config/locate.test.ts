import { expect, test } from 'vitest';
import type { KeyPath } from '../../../ts/config/key-path.ts';
import { locate } from '../../../ts/config/locate.ts';

function places(text: string, path: KeyPath) {
  const locations = locate(text);
  const place = locations.find(path);
  if (place === undefined) return undefined;
  const { key, value } = place;
  return {
    key: [locations.position(key.start).line, locations.position(key.start).column],
    value: [locations.position(value.start).line, locations.position(value.start).column],
    text: text.slice(value.start, value.end),
  };
}

test('finds keys of tables, dotted and quoted', () => {
  const text = `# [x]
[server]
bind_addr = "a" # = [
  transport . "tcp".nodelay = true

["server".services.'a.b']
token = 'x'`;
  expect(places(text, ['server', 'bind_addr'])).toEqual({
    key: [3, 1],
    value: [3, 13],
    text: '"a"',
  });
  expect(places(text, ['server', 'transport', 'tcp', 'nodelay'])).toEqual({
    key: [4, 21],
    value: [4, 31],
    text: 'true',
  });
  expect(places(text, ['server', 'services', 'a.b', 'token'])).toMatchObject({ key: [7, 1] });
  expect(places(text, ['server', 'services', 'a.b'])).toMatchObject({
    key: [6, 20],
    value: [6, 1],
  });
});

test('a table’s own header beats a mention', () => {
  expect(places('[a.b]\n[a]\n', ['a'])).toMatchObject({ key: [2, 2] });
});

test('finds keys of inline tables, arrays and arrays of tables', () => {
  const text = `a = { b = [1, { c = "}" }], d.e = 2 }
[[t]]
x = 1
[[t]]
x = 2
[t.u]
y = 3`;
  expect(places(text, ['a', 'b', 1, 'c'])).toMatchObject({ key: [1, 17], text: '"}"' });
  expect(places(text, ['a', 'd', 'e'])).toMatchObject({ key: [1, 31], text: '2' });
  expect(places(text, ['t', 1, 'x'])).toMatchObject({ key: [5, 1] });
  expect(places(text, ['t', 1, 'u', 'y'])).toMatchObject({ key: [7, 1] });
});

test('is not misled by strings', () => {
  const text = `a = """
[x]
b = 1 \\""" "" # no
"""
c = '''
d = '[''' # e = 1
f = "\\"# [x]"
g = 1979-05-27 07:32:00`;
  expect(places(text, ['b'])).toBeUndefined();
  expect(places(text, ['x'])).toBeUndefined();
  expect(places(text, ['c'])).toMatchObject({ key: [5, 1], value: [5, 5] });
  expect(places(text, ['f'])).toMatchObject({ key: [7, 1], text: '"\\"# [x]"' });
  expect(places(text, ['g'])).toMatchObject({ text: '1979-05-27 07:32:00' });
});

test('counts from one, with CRLF and a byte order mark', () => {
  expect(places('\uFEFFa = 1\r\nb = 2\r\n', ['a'])).toMatchObject({ key: [1, 1], value: [1, 5] });
  expect(places('\uFEFFa = 1\r\nb = 2\r\n', ['b'])).toMatchObject({ key: [2, 1], value: [2, 5] });
});

test('gives the nearest table of a missing key', () => {
  const locations = locate('[server]\n[server.services.ssh]\n');
  const place = locations.nearest(['server', 'services', 'ssh', 'token']);
  expect(place && locations.position(place.key.start)).toEqual({ line: 2, column: 18 });
  expect(locations.nearest(['client'])).toBeUndefined();
});
