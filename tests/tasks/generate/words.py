"""The texts, and the two tokenizers made from them."""

from collections import Counter

from common import write_json
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "Ada Lovelace met Charles Babbage in London in 1833.",
    "The engineers at the Zürich office asked Marie Curie's grandson about Kraków.",
    "Η Ελένη ταξίδεψε από την Αθήνα στη Θεσσαλονίκη το καλοκαίρι.",
    "Юрий Гагарин вернулся в Москву, а Лев Толстой жил в Ясной Поляне.",
    "سافرت ليلى من القاهرة إلى بيروت مع أخيها سامي.",
    "דוד נסע מתל אביב לירושלים עם רחל.",
    "रवि और सीता दिल्ली से मुंबई गए।",
    "สมชายเดินทางจากกรุงเทพไปเชียงใหม่",
    "李白离开北京去上海看望王维。",
    "田中さんはトウキョウから大阪へ行きました。",
    "김민수는 서울에서 부산까지 기차로 갔다.",
    "Party in Rio 🎉🎉 with João 👩‍👩‍👧 and Zoë 🇧🇷!",
    "e-mail: jean-luc.picard@example.org, tel. +33 1 23 45 67 89",
    "Dr. O'Neill (of St. John's) isn't here; she'll be back at 5:30 p.m.",
    "   leading and trailing   spaces   ",
    "line one\nline two\tafter a tab",
    "I",
    "McDonald's unbelievablyLongCamelCaseIdentifier_with_parts and supercalifragilisticexpialidocious",
    "Cafe\u0301 and café are not the same characters, nor are ﬁ and fi.",
    "Mixed: Athens Αθήνα Москва القاهرة ירושלים दिल्ली กรุงเทพ 北京 トウキョウ 서울 🗼",
    "New York New York New York, so good they named it twice: New York.",
    "zero\u200bwidth joiner \u200d and soft\u00adhyphen, non\u00a0breaking space",
    "𝒜𝒷𝒸 𐍈 outside the basic plane 𠮷野家",
    "?!... --- ***",
]

LONG = (
    "In the spring of 1842 Ada Lovelace wrote to Charles Babbage from London about the Analytical Engine. "
    "Юрий жил в Москве. Marie Curie left Warsaw for Paris and worked there with Pierre Curie until 1906. "
    "王维 lived in 北京 and 田中 in 大阪, while João stayed in Rio 🎉 with Zoë and Samir from Beirut. "
    "Nobody in Zürich had heard of the Engine, and the office in Kraków closed before the summer of 1850."
)

CORPUS = (
    TEXTS
    + [LONG] * 2
    + [
        "the of and to in is was for that it with as on by at from who where when what how many did does",
        "Who wrote the letter? Where did Ada live? When did Marie leave Warsaw? What is the capital of France?",
        "This example is about sports, politics, science, cooking, travel or music. This text is about food.",
        "The capital of France is Paris. The capital of Germany is Berlin. Paris is in France.",
    ]
)

SPECIAL_BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SPECIAL_ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def pieces(lowercase, size):
    """A vocabulary of frequent characters and pieces of words. The library's trainer gives another one each time."""
    normalizer, splitter = normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    letters, parts = Counter(), Counter()
    for text in CORPUS:
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)):
            for i in range(len(word)):
                letters[("##" if i else "") + word[i]] += 1
                for end in range(i + 2, min(len(word), i + 9) + 1):
                    parts[("##" if i else "") + word[i:end]] += end - i - 1
    ranked = [sorted(counts, key=lambda piece: (-counts[piece], piece)) for counts in (letters, parts)]
    chosen = SPECIAL_BERT + ranked[0][:230]
    chosen += ranked[1][: size - len(chosen)]
    return {piece: i for i, piece in enumerate(chosen)}


def wordpiece(model, limit=32, lowercase=False, size=440):
    """BERT's form: [CLS] a [SEP] b [SEP], with token types. Writes the files and returns the vocabulary's size."""
    tokenizer = Tokenizer(models.WordPiece(pieces(lowercase, size), unk_token="[UNK]"))
    tokenizer.add_special_tokens(SPECIAL_BERT)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(model / "tokenizer.json"), pretty=False)
    write_json(
        model / "tokenizer_config.json",
        {
            "tokenizer_class": "BertTokenizerFast",
            "model_max_length": limit,
            "do_lower_case": lowercase,
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "mask_token": "[MASK]",
        },
    )
    return tokenizer.get_vocab_size()


def byte_level(model, limit=32, size=420):
    """RoBERTa's form: <s> a </s></s> b </s>, without token types."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL_ROBERTA,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(sep=("</s>", 2), cls=("<s>", 0), add_prefix_space=False)
    tokenizer.save(str(model / "tokenizer.json"), pretty=False)
    write_json(
        model / "tokenizer_config.json",
        {
            "tokenizer_class": "RobertaTokenizerFast",
            "model_max_length": limit,
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
        },
    )
    return tokenizer.get_vocab_size()
