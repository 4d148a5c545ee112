#!/usr/bin/env python3
"""Compare finwait with what other tools said of captures that nobody here wrote.

usage: compare.py FINWAIT [--only GLOB] [--verbose]

The captures and the other tools' answers are in the folder that the environment variable
FINWAIT_CAPTURES names; none of them is part of this project. Without it the test is skipped.

Every row of the answers is compared, column by column. A difference may stay only if reasons.tsv
says why; a row may be left out only by left_out.tsv. A reason that explains nothing any more fails
the test as a difference without one does. See README.md beside this file.
"""
import argparse
import csv
import fnmatch
import ipaddress
import json
import os
import struct
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
SKIPPED = 77  # meson: this test was skipped

# Agreement that is asked for, in percent of the rows that were compared.
BARS = {
    'conn_state': 97, 'history': 95, 'end_states': 100, 'completeness': 98,
    'syn': 100, 'synack': 100, 'fin': 100, 'rst': 100, 'data': 100,
}
NO_BAR = ['tcp_state']  # worth seeing, too few rows to judge by


# ------------------------------------------------------------------------------------- input --

def read_table(path):
    with open(path, newline='', encoding='utf-8') as file:
        rows = csv.DictReader((line for line in file if not line.startswith('#')), delimiter='\t')
        return list(rows)


def nanoseconds(seconds):
    """A decimal number of seconds as a whole number of nanoseconds."""
    whole, _, fraction = seconds.partition('.')
    return int(whole) * 10**9 + int((fraction + '0' * 9)[:9])


def nanoseconds_rfc3339(stamp):
    from datetime import datetime, timezone
    whole, _, fraction = stamp.rstrip('Z').partition('.')
    moment = datetime.strptime(whole, '%Y-%m-%dT%H:%M:%S').replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * 10**9 + int((fraction + '0' * 9)[:9])


def address(text):
    return str(ipaddress.ip_address(text))


def endpoint(row, addr, port):
    return address(row[addr]), int(row[port])


def pair(a, b):
    return (a, b) if a <= b else (b, a)


class Connection:
    """A connection record of finwait."""

    def __init__(self, record):
        self.record = record
        self.client = endpoint(record, 'client_addr', 'client_port')
        self.server = endpoint(record, 'server_addr', 'server_port')
        self.tuple = pair(self.client, self.server)
        self.first = nanoseconds_rfc3339(record['first_ts'])

    def counts(self, name, side):
        """Count of one side, which is an endpoint."""
        return self.record[('client_' if side == self.client else 'server_') + name]


class Finwait:
    """Runs the program once for each capture and kind of run, and keeps the connections."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.known, self.faults = {}, []

    def run_all(self, wanted):
        with ThreadPoolExecutor(2) as pool:
            for key, result in zip(wanted, pool.map(self.run, wanted)):
                self.known[key] = result

    def run(self, key):
        capture, checksum = key
        command = [self.program, '--json', '-r', str(self.folder / capture)]
        if checksum:
            command.insert(1, '--checksum')
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode not in (0, 4):  # 4: damaged, but everything that was there is printed
            self.faults.append(f'{" ".join(command)}: exit {done.returncode}: '
                               + done.stderr.decode(errors='replace').strip()[:200])
        records = (json.loads(line) for line in done.stdout.splitlines()
                   if b'"type":"connection"' in line)
        return sorted((Connection(record) for record in records), key=lambda c: c.record['conn'])

    def connections(self, capture, checksum=False, tuple_=None):
        found = self.known[capture, checksum]
        return [c for c in found if tuple_ is None or c.tuple == tuple_]


# --------------------------------------------------------------------------------- agreement --

@dataclass
class Reason:
    kind: str
    columns: list
    rows: str
    text: str
    used: int = 0

    def explains(self, kind, column, row):
        return (kind == self.kind and any(fnmatch.fnmatchcase(column, c) for c in self.columns)
                and fnmatch.fnmatchcase(row, self.rows))


@dataclass
class Column:
    agree: int = 0
    explained: list = field(default_factory=list)
    unexplained: list = field(default_factory=list)
    apart: list = field(default_factory=list)


class Agreement:
    def __init__(self, reasons):
        self.reasons = reasons
        self.columns = {name: Column() for name in [*BARS, *NO_BAR]}

    def compare(self, column, row, theirs, ours):
        """One cell of one row; `row` is what reasons.tsv calls it."""
        if theirs == ours:
            self.columns[column].agree += 1
        else:
            self.differ('differs', column, row, f'{theirs} there, {ours} here')

    def missing(self, column, row, theirs):
        """No connection of ours begins where theirs does."""
        self.differ('apart', column, row, f'{theirs} there, no connection begins here')

    def differ(self, kind, column, row, text):
        results = self.columns[column]
        for reason in self.reasons:
            if reason.explains(kind, column, row):
                reason.used += 1
                (results.apart if kind == 'apart' else results.explained).append((row, text))
                return
        results.unexplained.append((row, text))

    def percent(self, column):
        c = self.columns[column]
        compared = c.agree + len(c.explained) + len(c.unexplained)
        return compared, (100.0 * c.agree / compared if compared else 100.0)


def read_reasons():
    reasons = []
    for row in read_table(HERE / 'reasons.tsv'):
        assert row['kind'] in ('apart', 'differs') and row['reason'], row
        reasons.append(Reason(row['kind'], row['columns'].split(','), row['rows'], row['reason']))
    return reasons


def name(capture, a, b, start=None):
    """What reasons.tsv calls a row: capture, endpoints as tcpdump spells them, start."""
    text = f'{capture} {a[0]}.{a[1]} {b[0]}.{b[1]}'
    return f'{text} {start}' if start else text


# ------------------------------------------------------------------------------------- peers --

def zeek_rows(answers):
    for row in read_table(answers / 'expected.tsv'):
        if row['reliability'] in ('A', 'B'):
            row['dropped'] = row['checksums'] == 'checked'
            yield row
    for row in read_table(answers / 'zeek_printed.tsv'):  # one connection a capture, run with -C
        yield {**row, 'orig_addr': None, 'start_ts': '-', 'dropped': False}


def compare_zeek(row, finwait, agreement):
    capture = row['file']
    if row['orig_addr']:
        ends = endpoint(row, 'orig_addr', 'orig_port'), endpoint(row, 'resp_addr', 'resp_port')
        found = finwait.connections(capture, row['dropped'], pair(*ends))
        label = name(capture, *ends, row['start_ts'])
    else:
        found = finwait.connections(capture, row['dropped'])
        label = capture
    if row['start_ts'] != '-':
        start = nanoseconds(row['start_ts'])  # Zeek prints microseconds
        found = [c for c in found if c.first // 1000 == start // 1000]
    for column, key in (('conn_state', 'zeek_conn_state'), ('history', 'zeek_history')):
        if row[column] == '-':
            continue
        if found:
            agreement.compare(column, label, row[column], found[0].record[key])
        else:
            agreement.missing(column, label, row[column])


# States that an end may still be shown in, if the segment that would have moved it was the last to
# go by: nobody saw its answer.
ONE_STEP_LESS = {
    'SYN_RECEIVED': ('UNKNOWN', 'LISTEN', 'SYN_SENT'),
    'ESTABLISHED': ('SYN_SENT', 'SYN_RECEIVED'),
    'CLOSE_WAIT': ('ESTABLISHED', 'SYN_RECEIVED'),
    'FIN_WAIT_2': ('FIN_WAIT_1',),
    'CLOSING': ('FIN_WAIT_1',),
    'TIME_WAIT': ('FIN_WAIT_1', 'FIN_WAIT_2', 'CLOSING'),
    'CLOSED': ('LAST_ACK',),
}


def segments(path):
    """Tuple, sender, flags, payload bytes and time of the TCP segments of a plain pcap file of link
    type Ethernet, RAW or NULL: as much of a decoder as the questions below need. Other files: none."""
    data, at = path.read_bytes(), 24
    unit = {b'\xd4\xc3\xb2\xa1': 1000, b'\x4d\x3c\xb2\xa1': 1}.get(data[:4])
    link = {0: 4, 1: 14, 101: 0}.get(struct.unpack_from('<I', data, 20)[0]) if unit else None
    while link is not None and at + 16 <= len(data):
        seconds, fraction, captured = struct.unpack_from('<III', data, at)
        ethertype = data[at + 28:at + 30]
        ip = data[at + 16 + link:at + 16 + captured]
        at += 16 + captured
        if len(ip) < 40 or (link == 14 and ethertype not in (b'\x08\x00', b'\x86\xdd')):
            continue
        if ip[0] >> 4 == 4:
            protocol, header, size, (source, target) = ip[9], (ip[0] & 15) * 4, 4, (12, 16)
            length, = struct.unpack_from('>H', ip, 2)
        else:
            protocol, header, size, (source, target) = ip[6], 40, 16, (8, 24)
            length = struct.unpack_from('>H', ip, 4)[0] + header
        if protocol != 6 or len(ip) < header + 20:
            continue
        ports = struct.unpack_from('>HH', ip, header)
        a = address(ip[source:source + size]), ports[0]
        b = address(ip[target:target + size]), ports[1]
        payload = length - header - (ip[header + 12] >> 4) * 4
        yield pair(a, b), a, ip[header + 13], payload, seconds * 10**9 + fraction * unit


def last_senders(path):
    """Who sent the last segment of each tuple."""
    return {tuple_: sender for tuple_, sender, *_ in segments(path)}


def compare_packetdrill(row, finwait, agreement):
    capture = row['file']
    client = endpoint(row, 'client_addr', 'client_port')
    server = endpoint(row, 'server_addr', 'server_port')
    found = finwait.connections(capture, False, pair(client, server))
    theirs = row['client_state_end'], row['server_state_end']
    label = name(capture, client, server)
    if len(found) != 1 or found[0].client != client:
        agreement.differ('differs', 'end_states', label, f'{"/".join(theirs)} there, '
                         f'{len(found)} connections here or other roles')
        return
    last = last_senders(finwait.folder / capture)[pair(client, server)]
    ours = []
    for end, key, state in zip((client, server), ('client_state', 'server_state'), theirs):
        mine = found[0].record[key]
        if state == 'LISTEN' and mine == 'CLOSED':
            mine = state  # the listener listens on; this connection of it is gone
        if end != last and mine in ONE_STEP_LESS.get(state, ()):
            mine = state
        ours.append(mine)
    agreement.compare('end_states', label, theirs, tuple(ours))


COUNTS = {'syn': 'syns', 'synack': 'synacks', 'fin': 'fins', 'rst': 'rsts',
          'data': 'data_packets'}
FIN, SYN, RST, ACK = 1, 2, 4, 16


class LeadingRsts:
    """RSTs that nothing on their tuple went before: they make no connection, and whatever else their
    segments say is in no record of finwait."""

    def __init__(self, path):
        self.counts = defaultdict(lambda: defaultdict(int))  # of (tuple, sender): by column
        self.until = {}  # of a tuple: when the first other segment goes by
        for tuple_, sender, flags, payload, time in segments(path):
            if tuple_ in self.until:
                continue
            if not flags & RST:
                self.until[tuple_] = time
                continue
            counts = self.counts[tuple_, sender]
            counts['rst'] += 1
            counts['fin'] += bool(flags & FIN)
            counts['syn'] += flags & (SYN | ACK) == SYN
            counts['data'] += payload > 0
            counts['synack'] += flags & (SYN | ACK) == SYN | ACK


def total(connections, key, ends):
    return tuple(sum(c.counts(key, end) for c in connections) for end in ends)


def compare_tshark(rows, finwait, leading, agreement):
    """The streams of one tuple, in order. Where both sides see as many connections they are taken
    one by one, else the counts of all together are compared."""
    capture = rows[0]['file']
    ends = endpoint(rows[0], 'a_addr', 'a_port'), endpoint(rows[0], 'b_addr', 'b_port')
    found = finwait.connections(capture, False, pair(*ends))
    lone = [leading.counts.get((pair(*ends), end), {}) for end in ends]
    groups = [([row], [c]) for row, c in zip(rows, found)]
    if len(rows) != len(found) or any(lone):
        groups = [(rows, found)]
    for theirs, ours in groups:
        label = name(capture, *ends, theirs[0]['first_ts'])
        for column, key in COUNTS.items():
            want = tuple(-counts.get(column, 0) for counts in lone)
            for row in theirs:
                swapped = endpoint(row, 'a_addr', 'a_port') != ends[0]
                counts = int(row[column + '_a']), int(row[column + '_b'])
                want = tuple(map(sum, zip(want, reversed(counts) if swapped else counts)))
            agreement.compare(column, label, want, total(ours, key, ends))
    for row in rows:
        start = nanoseconds(row['first_ts'])
        if any(lone) and start < leading.until.get(pair(*ends), start + 1):
            continue
        label = name(capture, *ends, row['first_ts'])
        same = [c for c in found if c.first == start]
        if same:
            agreement.compare('completeness', label, int(row['compl']),
                              same[0].record['completeness'])
        else:
            agreement.missing('completeness', label, row['compl'])


SURICATA_STATES = {
    'UNKNOWN': 'syn_sent', 'SYN_SENT': 'syn_sent', 'SYN_RECEIVED': 'syn_recv',
    'FIN_WAIT_1': 'fin_wait1', 'FIN_WAIT_2': 'fin_wait2',
}


def compare_suricata(row, finwait, agreement):
    if row['event_type'] != 'flow' or row['reliability'] != 'A' or row['tcp_state'] == '-':
        return
    found = finwait.connections(row['file'])
    label = row['file']
    if row['src_ip'] != '-' and row['dest_port'] != '-':
        ends = endpoint(row, 'src_ip', 'src_port'), endpoint(row, 'dest_ip', 'dest_port')
        found = finwait.connections(row['file'], False, pair(*ends))
        label = name(row['file'], *ends)
    elif len(found) != 1:
        return  # the row does not say which of several
    state = found[0].record['server_state'] if found else 'NONE'
    agreement.compare('tcp_state', label, row['tcp_state'],
                      SURICATA_STATES.get(state, state.lower()))


# ------------------------------------------------------------------------------------ report --

def report(agreement, finwait, verbose):
    failed = bool(finwait.faults)
    for fault in finwait.faults:
        print(f'fault: {fault}')
    for column, result in agreement.columns.items():
        for row, text in result.unexplained:
            print(f'{column}: {row}: {text}')
        for row, text in (result.explained + result.apart) if verbose else ():
            print(f'{column} (with a reason): {row}: {text}')
    for reason in agreement.reasons:
        if not reason.used:
            print(f'reasons.tsv: explains nothing any more: {reason.rows} ({reason.text})')
            failed = True
    print(f'{"column":<13}{"rows":>6}{"agree":>7}{"":>9}{"bar":>6}{"with a reason":>15}'
          f'{"without":>9}{"apart":>7}')
    for column, result in agreement.columns.items():
        rows, percent = agreement.percent(column)
        bar = BARS.get(column)
        below = bar is not None and percent < bar and (bar < 100 or bool(result.unexplained))
        failed |= below or bool(result.unexplained)
        print(f'{column:<13}{rows:>6}{result.agree:>7}{percent:>7.1f} %'
              f'{str(bar) + " %" if bar else "":>6}{len(result.explained):>15}'
              f'{len(result.unexplained):>9}{len(result.apart):>7}{"  below" if below else ""}')
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('finwait')
    parser.add_argument('--only', default='*', help='captures whose name matches this glob')
    parser.add_argument('--verbose', action='store_true', help='list explained differences too')
    options = parser.parse_args()

    if not os.environ.get('FINWAIT_CAPTURES'):
        print('FINWAIT_CAPTURES is not set: no captures of others to compare with; skipped')
        return SKIPPED
    folder = Path(os.environ['FINWAIT_CAPTURES'])
    answers = folder / 'expected'
    left_out = [row['captures'] for row in read_table(HERE / 'left_out.tsv')]

    def wanted(row):
        return (fnmatch.fnmatchcase(row['file'], options.only)
                and not any(fnmatch.fnmatchcase(row['file'], glob) for glob in left_out))

    zeek = [row for row in zeek_rows(answers) if wanted(row)]
    packetdrill = [row for row in read_table(answers / 'packetdrill_states.tsv') if wanted(row)]
    suricata = [row for row in read_table(answers / 'suricata_verify.tsv') if wanted(row)]
    streams = defaultdict(list)
    for row in read_table(answers / 'tshark_streams.tsv'):
        if wanted(row):
            ends = endpoint(row, 'a_addr', 'a_port'), endpoint(row, 'b_addr', 'b_port')
            streams[row['file'], pair(*ends)].append(row)

    captures = {row['file'] for row in zeek + packetdrill + suricata} | {k[0] for k in streams}
    finwait = Finwait(options.finwait, folder)
    finwait.run_all(sorted({(capture, False) for capture in captures}
                           | {(row['file'], row['dropped']) for row in zeek}))
    print(f'{len(captures)} captures, {len(left_out)} names left out')

    reasons = read_reasons()
    if options.only != '*':
        reasons = [r for r in reasons if fnmatch.fnmatchcase(r.rows.split(' ')[0], options.only)]
    agreement = Agreement(reasons)
    for row in zeek:
        compare_zeek(row, finwait, agreement)
    for row in packetdrill:
        compare_packetdrill(row, finwait, agreement)
    leading = {}
    for (capture, _), rows in streams.items():
        if capture not in leading:
            leading[capture] = LeadingRsts(folder / capture)
        compare_tshark(rows, finwait, leading[capture], agreement)
    for row in suricata:
        compare_suricata(row, finwait, agreement)
    return 1 if report(agreement, finwait, options.verbose) else 0


if __name__ == '__main__':
    sys.exit(main())
