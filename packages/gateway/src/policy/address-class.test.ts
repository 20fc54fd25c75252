import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptable, classifyAddress, looksLikeAddress, parseRange } from './address-class.ts'

const kindOf = (text: string) => classifyAddress(text).kind

test('only global unicast is public', () => {
  for (const text of ['8.8.8.8', '93.184.216.34', '2606:4700:4700::1111', '2a00:1450::1']) {
    assert.equal(kindOf(text), 'public', text)
  }
  const inside = [
    '10.0.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '127.0.0.1',
    '169.254.1.1',
    '100.64.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '240.0.0.1',
    '192.88.99.1',
    '::1',
    'fe80::1',
    'fc00::1',
    'fec0::1',
    '2001:db8::1',
    '3fff::1',
    '2001::1',
    '2002:808:808::1',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
    '::ffff:0:8.8.8.8',
    '::8.8.8.8',
    '100::1',
    '4000::1',
    '5f00::1',
    '2001:20::1',
    '2001:2::1',
  ]
  for (const text of inside) assert.equal(kindOf(text), 'inside', text)
  for (const text of [
    '0.0.0.0',
    '0.1.2.3',
    '255.255.255.255',
    '224.0.0.1',
    'ff02::1',
    '::',
    '64:ff9b:1::808:808',
  ]) {
    assert.equal(kindOf(text), 'never', text)
  }
})

test('what is not an address in its strict form is malformed', () => {
  const texts = [
    '127.1',
    '1.2.3',
    '01.2.3.4',
    '0x7f.0.0.1',
    '2130706433',
    '1.2.3.4.',
    'fe80::1%1',
    '::g',
    '',
    '１.２.３.４',
    '1:'.repeat(50),
  ]
  for (const text of texts) {
    assert.deepEqual(classifyAddress(text), {
      text,
      kind: 'never',
      range: 'malformed',
      embedded: [],
    })
  }
})

test('the metadata floor is seen through every transition form', () => {
  const forms = [
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::a9fe:a9fe',
    '::ffff:0:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::a9fe:a9fe',
    '64:ff9b:1:a9fe:a9:fe00::',
    '2002:a9fe:a9fe::1',
    '2001:0:a9fe:a9fe::1',
    '2001:0:808:808::5601:5601',
    'FD00:EC2::254',
    'fd00:0ec2:0:0:0:0:0:254',
    'fd20:ce::254',
    '168.63.129.16',
    '100.100.100.200',
    '192.0.0.192',
    '169.254.170.2',
    '169.254.170.23',
  ]
  for (const text of forms) {
    assert.equal(kindOf(text), 'metadata', text)
    const everything = ['0.0.0.0/0', '::/0'].map((range) => parseRange(range) ?? assert.fail())
    assert.equal(acceptable(classifyAddress(text), everything), false, text)
  }
})

test('a range opens what lies in it, with what it carries, and nothing else', () => {
  const opened = ['10.0.0.0/8', '64:ff9b::/96'].map((text) => parseRange(text) ?? assert.fail())
  const isOpen = (text: string) => acceptable(classifyAddress(text), opened)
  assert.deepEqual(['10.9.9.9', '64:ff9b::a00:1', '64:ff9b::808:808'].map(isOpen), [
    true,
    true,
    true,
  ])
  assert.deepEqual(['11.0.0.1', '192.168.0.1', '64:ff9b::c0a8:1', '::ffff:10.0.0.1'].map(isOpen), [
    true,
    false,
    false,
    false,
  ])
  assert.equal(parseRange('10.0.0.1'), undefined)
  assert.equal(parseRange('fe80::%1/64'), undefined)
})

test('spellings that a resolver would take for an address look like one', () => {
  for (const host of ['1.2.3.4', '127.1', '0x7f.1', '0177.1', '2130706433', 'a.0x', '::1']) {
    assert.equal(looksLikeAddress(host), true, host)
  }
  for (const host of ['example.com', '3f2a9b1c8d7e', '1.2.3.4.example.com', 'a', '']) {
    assert.equal(looksLikeAddress(host), false, host)
  }
})
