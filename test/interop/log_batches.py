#!/usr/bin/env python3
"""Take the Kafka batches of one partition off its pages.

usage: log_batches.py RELATION-FILE BATCHES.BIN

Reads the file of a partition (and its .1, .2, ...) of a stopped server, or after CHECKPOINT, as src/storage/page.h
and meta.h describe it and without help from the extension, and writes the committed batches from the log start on to the end,
byte for byte, one behind the other. VACUUM the partition before: outcomes are known from the flags it sets. What does
not fit the description ends the program with a message. Prints what it found as JSON.
"""
import json
import os
import struct
import sys

BLCKSZ = 8192
PAGE_START = 24                     # page header
PAGE_END = BLCKSZ - 40              # special area
PAGE_DATA = PAGE_END - PAGE_START
PAGE_ID_DATA, PAGE_ID_DIRECTORY, PAGE_ID_META = 0xE101, 0xE102, 0xE103
FORMAT_VERSIONS = 4, 5
META_MAGIC = 0x474F4C45
ENVELOPE_MAGIC = 0xBA7C
HINT_COMMITTED, HINT_ABORTED, SETTLED = 1, 2, 4
SEGMENT_CONTINUES = 1

PAGE_HEADER = struct.Struct("=QHHHHHHI")        # lsn, checksum, flags, lower, upper, special, size and version, prune xid
SPECIAL = struct.Struct("=QqqIIIHH")            # page no, first offset, max time, back, crc, time page, first byte, page id
META = struct.Struct("=IIiIqqqQqQqQQQQQIIIIQqIII")    # up to root[]
SEGMENT = struct.Struct("=qqQII")               # base offset, prev max time, prev end, first block, flags
ENVELOPE = struct.Struct("=QIIHHI")             # fxid, length, cid, magic, flags, crc
BATCH_HEADER = struct.Struct(">qiibIhiqqqhii")  # RecordBatch v2

GROUP_SEGMENTS = PAGE_DATA // SEGMENT.size
MAX_GROUPS = (PAGE_DATA - META.size) // 4
ROOM = ENVELOPE.size + BATCH_HEADER.size + 3    # an envelope and a batch header, aligned to 8

assert (SPECIAL.size, SEGMENT.size, ENVELOPE.size, BATCH_HEADER.size, ROOM % 8) == (40, 32, 24, 61, 0)


def require(condition, message):
    if not condition:
        raise SystemExit("log_batches: " + message)


class Log:
    def __init__(self, path):
        self.path = path
        self.files = {}
        self.segments = {}
        self.cached = (None, None)
        page = self.block(0, PAGE_ID_META)
        (magic, version, self.partition, self.seg_pages, self.log_start, self.log_end, self.floor, self.tail_pos, self.tail_time,
         self.settled_pos, self.settled_offset, self.batches, self.reuse_seg, self.first_seg, self.end_seg, self.alloc_seg,
         self.tail_block, self.next_block, self.spare_directory, self.compactions, _, _, _, self.tail_time_page,
         self.nroots) = META.unpack_from(page, PAGE_START)
        require(magic == META_MAGIC and version in FORMAT_VERSIONS, f"metapage: magic {magic:x}, version {version}")
        require(self.nroots <= MAX_GROUPS, f"metapage: {self.nroots} directory pages")
        self.root = struct.unpack_from(f"={self.nroots}I", page, PAGE_START + META.size)
        for name in ("reuse_seg", "first_seg", "end_seg"):
            after = {"reuse_seg": "first_seg", "first_seg": "end_seg", "end_seg": "alloc_seg"}[name]
            require(getattr(self, name) <= getattr(self, after), f"metapage: {name} is beyond {after}")

    def block(self, number, page_id):
        """The page in a block."""
        per_file = (1 << 30) // BLCKSZ
        part = number // per_file
        if part not in self.files:
            self.files[part] = open(self.path + (f".{part}" if part else ""), "rb")
        self.files[part].seek(number % per_file * BLCKSZ)
        page = self.files[part].read(BLCKSZ)
        require(len(page) == BLCKSZ, f"block {number} is beyond the end of the file")
        _, _, _, lower, upper, special, size_version, _ = PAGE_HEADER.unpack_from(page)
        require(special == PAGE_END and size_version == BLCKSZ | 4, f"block {number}: no page header of ours")
        require(PAGE_START <= lower <= upper <= special, f"block {number}: lower {lower}, upper {upper}")
        require(SPECIAL.unpack_from(page, PAGE_END)[7] == page_id, f"block {number}: page id is not {page_id:x}")
        return page

    def segment(self, seg):
        """Base offset, previous segment's greatest time and end, first block and flags of a segment."""
        if seg not in self.segments:
            group = seg // GROUP_SEGMENTS
            page = self.block(self.root[group % MAX_GROUPS], PAGE_ID_DIRECTORY)
            require(SPECIAL.unpack_from(page, PAGE_END)[0] == group, f"segment {seg}: its directory page is not group {group}")
            self.segments[seg] = SEGMENT.unpack_from(page, PAGE_START + seg % GROUP_SEGMENTS * SEGMENT.size)
        return self.segments[seg]

    def page(self, page_no):
        """A page of the stream, and its special area."""
        if self.cached[0] != page_no:
            seg = page_no // self.seg_pages
            require(self.first_seg <= seg < self.end_seg, f"page {page_no} lies in no live segment")
            block = self.segment(seg)[3] + page_no % self.seg_pages
            page = self.block(block, PAGE_ID_DATA)
            special = SPECIAL.unpack_from(page, PAGE_END)
            require(special[0] == page_no, f"block {block} holds page {special[0]} instead of {page_no}")
            self.cached = (page_no, page, special)
        return self.cached[1:]

    def stream(self, pos, length):
        """Bytes of the stream."""
        parts = []
        while length > 0:
            page, _ = self.page(pos // PAGE_DATA)
            lower = struct.unpack_from("=H", page, 12)[0]
            byte = pos % PAGE_DATA
            take = min(length, PAGE_DATA - byte)
            require(PAGE_START + byte + take <= lower, f"page {pos // PAGE_DATA}: bytes beyond pd_lower")
            parts.append(page[PAGE_START + byte:PAGE_START + byte + take])
            pos += take
            length -= take
        return b"".join(parts)

    def walk(self):
        """Yield envelope, header fields and bytes of each batch, checking what page.h and meta.h say of the pages on the way."""
        if self.first_seg == self.end_seg:
            return
        seg = self.first_seg
        require(not self.segment(seg)[4] & SEGMENT_CONTINUES, "the first segment begins inside a batch")
        pos = seg * self.seg_pages * PAGE_DATA
        offset = None
        seen_page = seg * self.seg_pages - 1
        times = {}                  # of each page: greatest time so far in its segment, and the page that was the first to reach it
        greatest = (None, 0)
        while pos < self.tail_pos:
            # what is left of a page, or of a segment, may be too small for the next batch
            end = self.segment(seg + 1)[2] if seg + 1 < self.end_seg else self.tail_pos
            if pos >= end:
                seg += 1
                pos = max(pos, seg * self.seg_pages * PAGE_DATA)
                continue
            if pos % PAGE_DATA and PAGE_DATA - pos % PAGE_DATA < ROOM:
                pos += PAGE_DATA - pos % PAGE_DATA
                continue

            fxid, length, cid, magic, flags, _ = ENVELOPE.unpack(self.stream(pos, ENVELOPE.size))
            require(magic == ENVELOPE_MAGIC and flags & 0xFF == flags >> 8, f"position {pos}: no envelope")
            data = self.stream(pos + ENVELOPE.size, length)
            header = BATCH_HEADER.unpack_from(data)
            base, batch_length, last_delta = header[0], header[1], header[6]
            require(header[3] == 2 and header[5] & ~7 == 0, f"offset {base}: magic {header[3]}, attributes {header[5]:x}")
            require(header[12] == last_delta + 1, f"offset {base}: {header[12]} records in {last_delta + 1} offsets")
            require(batch_length + 12 == length, f"offset {base}: batch of {batch_length} bytes in an envelope of {length}")
            require(offset is None or base == offset, f"offset {base} follows {offset}")
            if offset is None:
                require(base == self.segment(seg)[0], f"the first segment begins with offset {base}, its entry says otherwise")
                require(base <= self.log_start, f"the log starts at {self.log_start}, its first batch at {base}")
            offset = base + last_delta + 1

            # the special areas of the pages from here to the batch's last byte
            first_page = pos // PAGE_DATA
            last_page = (pos + ENVELOPE.size + length - 1) // PAGE_DATA
            for page_no in range(max(seen_page + 1, first_page), last_page + 1):
                _, (_, first_offset, _, back, _, _, first_byte, _) = self.page(page_no)
                if page_no == first_page:
                    require((first_offset, first_byte) == (base, PAGE_START + pos % PAGE_DATA),
                            f"page {page_no}: does not say that {base} begins there")
                elif first_byte == 0:
                    require((first_offset, back) == (base, page_no - first_page), f"page {page_no}: does not say that {base} covers it")
                else:
                    require(first_offset == offset, f"page {page_no}: says that {first_offset} begins there, not {offset}")
            seen_page = max(seen_page, last_page)
            for page_no in range(first_page, last_page + 1):
                if page_no % self.seg_pages == 0 and page_no not in times:
                    greatest = (None, 0)
                if greatest[0] is None or (page_no == first_page and header[8] > greatest[0]):
                    greatest = (header[8], page_no % self.seg_pages)
                times[page_no] = greatest

            # a batch may run over several segments
            while seg < last_page // self.seg_pages:
                seg += 1
                require(self.segment(seg)[4] & SEGMENT_CONTINUES and self.segment(seg)[0] == base,
                        f"segment {seg}: its entry does not say that {base} runs into it")
            yield fxid, cid, flags, header, data
            pos += (ENVELOPE.size + length + 7) & ~7
        require(pos == self.tail_pos, f"the last batch ends at {pos}, the tail is at {self.tail_pos}")
        for page_no, (time, time_page) in times.items():
            special = self.page(page_no)[1]
            # an append that failed may leave a later time on the last page of a segment
            ends = page_no + 1 not in times and page_no // self.seg_pages < self.end_seg - 1
            require((special[2], special[5]) == (time, time_page) or (ends and special[2] > time),
                    f"page {page_no}: says time {special[2]} since page {special[5]}, not {time} since {time_page}")
        require((self.tail_time, self.tail_time_page) == greatest,
                f"metapage: time {self.tail_time} since page {self.tail_time_page}, not {greatest}")
        require(offset == self.log_end, f"the last batch ends with offset {offset}, the log end is {self.log_end}")


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    require(os.path.getsize(sys.argv[1]) > 0, "the file is empty")
    log = Log(sys.argv[1])
    batches = aborted = longest = 0
    codecs, producers, epochs = set(), set(), set()
    with open(sys.argv[2], "wb") as out:
        for _, _, flags, header, data in log.walk():
            require(flags & SETTLED and bool(flags & HINT_COMMITTED) != bool(flags & HINT_ABORTED),
                    f"offset {header[0]}: not settled: flags {flags:x}")
            if header[0] + header[6] < log.log_start:
                continue
            if flags & HINT_ABORTED:
                aborted += 1
                continue
            out.write(data)
            batches += 1
            longest = max(longest, len(data))
            epochs.add(header[2])
            producers.add(header[9:12])
            codecs.add({0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}[header[5] & 7])
    print(json.dumps({"partition": log.partition, "log_start": log.log_start, "log_end": log.log_end, "batches": batches,
                      "aborted": aborted, "longest": longest, "codecs": sorted(codecs),
                      "leader_epochs": sorted(epochs), "producers": sorted(producers), "segments": log.end_seg - log.first_seg}))


if __name__ == "__main__":
    main()
