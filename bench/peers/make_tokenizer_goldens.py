"""Golden ids for src/models/tokenizer from transformers' CLIPTokenizer over src/models/fixtures/tokenizer.

Run from the repository's root, after make_tokenizer_fixture.ts: bench/peers/.venv/bin/python bench/peers/make_tokenizer_goldens.py
Writes goldens.json: [{text | repeat: [text, times], ids (77, padded), decoded}]. Lone surrogates cannot enter Python's.
"""

import sys

sys.modules["torchvision"] = None

import json
from pathlib import Path

import transformers
from transformers import CLIPTokenizer

FOLDER = Path(__file__).resolve().parents[2] / "src" / "models" / "fixtures" / "tokenizer"

TEXTS = [
    "", " ", "a", "A photo of a red wooden chair", "  spaces\t and\n\nlines \u00a0 and\u3000wide\u0085next\ufeffbom  ",
    "../../etc/passwd", "<script>alert('x')</script>", "nul\0inside", "\0", "emoji 😀🏳️‍🌈👨‍👩‍👧 end", "שלום עולם", "مرحبا بالعالم ١٢٣",
    "Café crème", "Cafe\u0301 cre\u0300me", "ΟΔΟΣ ΣΟΦΟΣ", "İstanbul IĞDIR", "straße STRASSE ẞ", "1234567890 3.14 ½ Ⅷ ²", "日本語のテキスト 漢字",
    "it's they've we'll I'm you'd don't can't IT'S 'S ''s", "SKU 88213-B, 45x90cm (oak)!!! ??? ...", "a_b__c---d", "\u200bzero\u200dwidth",
    "<|endoftext|>", "before <|endoftext|> after", "<|startoftext|>x<|ENDOFTEXT|>!!", "!<|endoftext|>!", "<|endoftext|", "</w> </w", "ﬁ ligature ﷺ", "ǅ ǆ Ǆ",
    "the quick brown fox " * 30, "e\u0301\u0302\u0303", "\U0001d518\U0001d52b\U0001d526", "Ａ ｆｕｌｌ ｗｉｄｔｈ", "tab\tvertical\x0bform\x0cfeed\x1funit",
]

tokenizer = CLIPTokenizer.from_pretrained(FOLDER)


def golden(text):
    ids = tokenizer(text, padding="max_length", truncation=True, max_length=tokenizer.model_max_length).input_ids
    return {"ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)}


rows = [{"text": text, **golden(text)} for text in TEXTS]
rows += [{"repeat": [text, times], **golden(text * times)} for text, times in (("chair ", 2000), ("x", 10000), ("äß!", 3334))]
head = {"transformers": transformers.__version__, "vocab_size": len(tokenizer), "bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}
(FOLDER / "goldens.json").write_text(json.dumps({**head, "rows": rows}, ensure_ascii=True) + "\n")
print(head)
