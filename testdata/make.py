#!/usr/bin/env python3
"""Makes testdata/comune: the papers of a small town that does not exist.

    python3 testdata/make.py            writes the files anew
    python3 testdata/make.py --check    tells whether they are as this program makes them

Standard library only; the same bytes every time and on every machine.
"""

import base64
import pathlib
import struct
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
TOWN = "Comune di Prova"
FIRM = "Forniture Immaginarie S.r.l."


def pdf(title, lines, pages=1):
    """A PDF 1.4 with one standard font, its cross-reference table correct to the byte."""

    def text(string):
        string = string.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        return string.encode("cp1252")

    kids = " ".join(f"{4 + 2 * page} 0 R" for page in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (it-IT) >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for page in range(pages):
        shown = [title] + lines + [f"pagina {page + 1} di {pages}"]
        content = b"BT /F1 12 Tf 16 TL 72 770 Td "
        content += b" ".join(b"(" + text(line) + b") Tj T*" for line in shown) + b" ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * page} 0 R "
            f"/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(
            b"<< /Length %d >>\nstream\n" % len(content) + content + b"\nendstream"
        )
    objects.append(
        b"<< /Title (" + text(title) + b") /CreationDate (D:20260115090000Z) >>"
    )
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        out += b"%010d 00000 n \n" % place
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\n" % (
        len(objects) + 1,
        len(objects),
    )
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def stored_zlib(data):
    """A zlib stream of stored blocks: compressors differ from machine to machine, this does not."""
    out = b"\x78\x01"
    for start in range(0, len(data), 65535):
        block = data[start : start + 65535]
        last = start + 65535 >= len(data)
        out += struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block
    return out + struct.pack(">I", zlib.adler32(data))


def png(width, height, colour_at):
    """An RGB image of 8 bits."""

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    rows = b"".join(
        b"\0" + b"".join(bytes(colour_at(x, y)) for x in range(width)) for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", stored_zlib(rows))
        + chunk(b"IEND", b"")
    )


def stored_zip(entries):
    """A ZIP of stored entries, dated 2026-01-15 09:00."""
    when = (9 << 11, (2026 - 1980) << 9 | 1 << 5 | 15)
    out, directory = b"", b""
    for name, data in entries:
        name = name.encode()
        fields = struct.pack(
            "<HHHHHIIIHH", 20, 0, 0, *when, zlib.crc32(data), len(data), len(data), len(name), 0
        )
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + fields
        directory += struct.pack("<HHHII", 0, 0, 0, 0, len(out)) + name
        out += b"PK\x03\x04" + fields + name + data
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(out), 0)
    return out + directory + b"PK\x05\x06" + end


def docx(*paragraphs):
    """The least that a word processor opens."""
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    words = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    parts = [
        (
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType='
            '"application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>',
        ),
        (
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
            f'Type="{office}/officeDocument" Target="word/document.xml"/></Relationships>',
        ),
        (
            "word/document.xml",
            f'<w:document xmlns:w="{words}"><w:body>{body}</w:body></w:document>',
        ),
    ]
    return stored_zip([(name, (head + text).encode()) for name, text in parts])


def invoice(number, day, line, cents):
    """An electronic invoice of our own making, in the shape of FatturaPA 1.2."""
    tax = (cents * 22 + 50) // 100

    def money(value):
        return f"{value // 100}.{value % 100:02d}"

    return f"""<?xml version="1.0" encoding="UTF-8"?>
<p:FatturaElettronica versione="FPA12" xmlns:p="http://ivaservizi.agenziaentrate.gov.it/docs/xsd/fatture/v1.2">
  <FatturaElettronicaHeader>
    <DatiTrasmissione>
      <IdTrasmittente><IdPaese>IT</IdPaese><IdCodice>00000000000</IdCodice></IdTrasmittente>
      <ProgressivoInvio>{number:05d}</ProgressivoInvio>
      <FormatoTrasmissione>FPA12</FormatoTrasmissione>
      <CodiceDestinatario>PROVA0</CodiceDestinatario>
    </DatiTrasmissione>
    <CedentePrestatore>
      <DatiAnagrafici>
        <IdFiscaleIVA><IdPaese>IT</IdPaese><IdCodice>00000000000</IdCodice></IdFiscaleIVA>
        <Anagrafica><Denominazione>{FIRM}</Denominazione></Anagrafica>
        <RegimeFiscale>RF01</RegimeFiscale>
      </DatiAnagrafici>
      <Sede><Indirizzo>Via Inventata 1</Indirizzo><CAP>00000</CAP><Comune>Prova</Comune><Nazione>IT</Nazione></Sede>
    </CedentePrestatore>
    <CessionarioCommittente>
      <DatiAnagrafici>
        <CodiceFiscale>00000000000</CodiceFiscale>
        <Anagrafica><Denominazione>{TOWN}</Denominazione></Anagrafica>
      </DatiAnagrafici>
      <Sede><Indirizzo>Piazza del Municipio 1</Indirizzo><CAP>00000</CAP><Comune>Prova</Comune><Nazione>IT</Nazione></Sede>
    </CessionarioCommittente>
  </FatturaElettronicaHeader>
  <FatturaElettronicaBody>
    <DatiGenerali>
      <DatiGeneraliDocumento>
        <TipoDocumento>TD01</TipoDocumento><Divisa>EUR</Divisa><Data>{day}</Data><Numero>{number}/PA</Numero>
        <ImportoTotaleDocumento>{money(cents + tax)}</ImportoTotaleDocumento>
      </DatiGeneraliDocumento>
    </DatiGenerali>
    <DatiBeniServizi>
      <DettaglioLinee>
        <NumeroLinea>1</NumeroLinea><Descrizione>{line}</Descrizione><Quantita>1.00</Quantita>
        <PrezzoUnitario>{money(cents)}</PrezzoUnitario><PrezzoTotale>{money(cents)}</PrezzoTotale><AliquotaIVA>22.00</AliquotaIVA>
      </DettaglioLinee>
      <DatiRiepilogo>
        <AliquotaIVA>22.00</AliquotaIVA><ImponibileImporto>{money(cents)}</ImponibileImporto><Imposta>{money(tax)}</Imposta>
        <EsigibilitaIVA>S</EsigibilitaIVA>
      </DatiRiepilogo>
    </DatiBeniServizi>
  </FatturaElettronicaBody>
</p:FatturaElettronica>
""".encode()


def mail(subject, sender, receiver, day, text, attachment=None):
    """A message with CRLF line ends, with an attachment if there is one."""
    head = [
        f"From: {sender}",
        f"To: {receiver}",
        f"Date: {day}",
        f"Subject: =?utf-8?B?{base64.b64encode(subject.encode()).decode()}?=",
        f"Message-ID: <{zlib.crc32(subject.encode()):08x}@comune.prova.example>",
        "MIME-Version: 1.0",
    ]
    plain = ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", text]
    if attachment is None:
        lines = head + plain
    else:
        name, data = attachment
        encoded = base64.encodebytes(data).decode().splitlines()
        lines = head + ['Content-Type: multipart/mixed; boundary="confine"', "", "--confine"]
        lines += plain + ["--confine", f'Content-Type: application/pdf; name="{name}"']
        lines += [f'Content-Disposition: attachment; filename="{name}"']
        lines += ["Content-Transfer-Encoding: base64", ""] + encoded + ["--confine--"]
    return "\r\n".join(lines + [""]).encode()


def register(rows):
    """The day's protocol register as CSV."""
    head = "numero;data;verso;corrispondente;oggetto;classifica"
    return ("\n".join([head] + [";".join(row) for row in rows]) + "\n").encode()


def coat_of_arms(x, y):
    """A shield in three colours."""
    inside = abs(x - 24) + max(0, y - 30) < 20 and y >= 4
    if not inside:
        return (255, 255, 255)
    return [(0, 104, 71), (250, 250, 245), (190, 30, 45)][min(2, (x - 4) // 14)]


def files():
    """Every file of the town, by path."""
    town, firm = f"{TOWN} <protocollo@comune.prova.example>", f"{FIRM} <info@forniture.example>"
    resolution = pdf(
        "Deliberazione della Giunta n. 3 del 15/01/2026",
        ["Oggetto: nuova illuminazione di Piazza del Municipio.", "Approvata all'unanimità."],
    )
    rows = [
        ("1", "2026-01-15", "E", FIRM, "Preventivo illuminazione", "VI.5"),
        ("2", "2026-01-15", "U", FIRM, "Richiesta chiarimenti", "VI.5"),
        ("3", "2026-01-15", "E", "Cittadina di Prova", "Richiesta di accesso agli atti", "I.6"),
    ]
    protocol = "Protocollo/2026"
    project = "Lavori pubblici/Illuminazione piazza"
    return {
        "LEGGIMI.txt": "Carte del Comune di Prova, che non esiste.\nNomi e numeri sono inventati.\n",
        "stemma.png": png(48, 56, coat_of_arms),
        "Delibere/2026/delibera-0001.pdf": pdf(
            "Deliberazione della Giunta n. 1 del 08/01/2026", ["Oggetto: calendario delle sedute."]
        ),
        "Delibere/2026/delibera-0002.pdf": pdf(
            "Deliberazione della Giunta n. 2 del 08/01/2026",
            ["Oggetto: tariffe della mensa scolastica (invariate)."],
            pages=3,
        ),
        "Delibere/2026/delibera-0003.pdf": resolution,
        "Delibere/2026/verbale seduta.docx": docx(
            "Verbale della seduta del 15 gennaio 2026", "La seduta è aperta alle ore 9."
        ),
        "Fatture/IT00000000000_00001.xml": invoice(1, "2026-01-20", "Lampioni, 12 pezzi", 480000),
        "Fatture/IT00000000000_00002.xml": invoice(2, "2026-02-03", "Carta per ufficio", 12999),
        "Fatture/IT00000000000_00003.xml": invoice(3, "2026-02-17", "Manutenzione caldaia", 35050),
        f"{project}/computo.csv": "voce;quantità;prezzo\nlampione;12;400,00\ncavo (m);150;2,10\n",
        f"{project}/planimetria.png": png(
            64, 64, lambda x, y: (40, 40, 40) if x % 16 == 0 or y % 16 == 0 else (230, 235, 220)
        ),
        f"{project}/planimetria.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="64" '
        'height="64"><path d="M0 0h64v64H0zM32 0v64M0 32h64" fill="none" stroke="#222"/></svg>\n',
        f"{project}/relazione tecnica.docx": docx(
            "Relazione tecnica", "Dodici lampioni a basso consumo, distanza 12 m."
        ),
        f"{project}/foto/prima.png": png(32, 24, lambda x, y: (8 * (x % 32), 10 * y, 90)),
        f"{project}/foto/dopo.png": png(32, 24, lambda x, y: (255 - 4 * x, 220, 10 * y)),
        f"{protocol}/registro giornaliero 2026-01-15.csv": register(rows),
        f"{protocol}/0001 preventivo.eml": mail(
            "Preventivo illuminazione",
            firm,
            town,
            "Thu, 15 Jan 2026 09:12:00 +0100",
            "In allegato il preventivo richiesto.",
            ("preventivo.pdf", pdf("Preventivo", ["Dodici lampioni: euro 4.800,00 più IVA."])),
        ),
        f"{protocol}/0002 richiesta chiarimenti.eml": mail(
            "Re: Preventivo illuminazione",
            town,
            firm,
            "Thu, 15 Jan 2026 11:40:00 +0100",
            "Il prezzo comprende la posa?",
        ),
        f"{protocol}/0003 accesso agli atti.txt": "Al Comune di Prova\n\n"
        "Chiedo copia della deliberazione n. 3 del 2026.\n\nUna cittadina di Prova\n",
        f"{protocol}/0003 risposta – già inviata.txt": "Si trasmette quanto richiesto.\n",
        "Protocollo/2025/registro vuoto.csv": register([]),
        "Anagrafe/città e località.csv": "codice;nome\n1;Prova\n2;Località Là-bas\n3;Può darsi\n",
        "Anagrafe/perché così.txt": "Perché così: i nomi hanno accenti, e vanno conservati.\n",
        "Varie/vuoto.txt": "",
        "Varie/senza estensione": "Un documento il cui nome non dice che cosa sia.\n",
        "Varie/tutti i byte.bin": bytes(range(256)),
        # The same bytes as another file: a document of its own all the same.
        "Varie/copia della delibera 3.pdf": resolution,
        "Varie/consegna.zip": stored_zip([("delibera-0003.pdf", resolution), ("vuoto.txt", b"")]),
    }


def main():
    root = HERE / "comune"
    wanted = {
        path: data.encode() if isinstance(data, str) else data for path, data in files().items()
    }
    if sys.argv[1:] == ["--check"]:
        found = {
            file.relative_to(root).as_posix(): file.read_bytes()
            for file in root.rglob("*")
            if file.is_file()
        }
        differing = sorted(
            path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path)
        )
        print("\n".join(differing) or f"{len(wanted)} files as made")
        return 1 if differing else 0
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    for path, data in wanted.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    print(f"{len(wanted)} files, {sum(map(len, wanted.values()))} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
