"""Many languages: smaller vocabularies, nearest translations, pieces counted."""

import unicodedata

import numpy as np
import pytest
import torch
from scipy import stats
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, XLMRobertaModel
from transformers import XLMRobertaConfig as XLMRConfig

from tests.tiny_models import tiny_masked_model, tiny_tokenizer
from tlhelpers.subjects.multilingual import (
    LANGUAGES,
    cosine_similarity,
    describe_pieces,
    layer_vectors,
    pieces_in_use,
    prune_vocabulary,
    rank_correlation,
    translation_accuracy,
    translations,
    word_vectors,
)
from tlhelpers.vectors import embed

PIECES = ["▁", *"abcdefghij", "▁a", "▁ab", "ab", "abc", "▁cab", "de", "▁de", "def", "hi", "▁hi"]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
TEXTS = ["ab cab de", "def hi", "abc", "a b c"]


def unigram_tokenizer():
    """A tokenizer as XLM-R has one: special tokens first, the mask behind all pieces."""
    vocabulary = [(piece, 0.0) for piece in SPECIAL]
    vocabulary += [(piece, -9.0 / len(piece)) for piece in PIECES]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=30,
        model_input_names=["input_ids", "attention_mask"],
    )


def wordpiece_tokenizer():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*"abcdefghij", *(f"##{c}" for c in "abcdefghij"), "ab", "##ab", "cab", "##ef", "hi"]
    vocabulary = {piece: i for i, piece in enumerate([*special[:2], *pieces, *special[2:]])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        model_max_length=30,
        model_input_names=["input_ids", "attention_mask"],
    )


def encoder(tokenizer, kind="bert"):
    torch.manual_seed(0)
    shape = {
        "vocab_size": len(tokenizer) + 3,  # published tables are often longer than needed
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if kind == "bert":
        return BertModel(BertConfig(**shape)).eval()
    return XLMRobertaModel(XLMRConfig(**shape)).eval()


def states(model, tokenizer, texts):
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**batch).last_hidden_state


@pytest.mark.parametrize(
    ("make", "kind"),
    [(unigram_tokenizer, "bert"), (unigram_tokenizer, "xlm-r"), (wordpiece_tokenizer, "bert")],
)
def test_a_pruned_encoder_gives_the_same_hidden_states(make, kind):
    tokenizer = make()
    model = encoder(tokenizer, kind)
    before = states(model, tokenizer, TEXTS)
    smaller, cut = prune_vocabulary(model, tokenizer, TEXTS)
    assert smaller.config.vocab_size < len(tokenizer)
    assert torch.equal(states(smaller, cut, TEXTS), before)
    assert torch.equal(states(model, tokenizer, TEXTS), before)  # the original is untouched


@pytest.mark.parametrize("make", [unigram_tokenizer, wordpiece_tokenizer])
def test_the_pruned_tokenizer_cuts_the_texts_as_before(make):
    tokenizer = make()
    _, cut = prune_vocabulary(encoder(tokenizer), tokenizer, TEXTS)
    for text in TEXTS:
        pieces = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
        assert cut.convert_ids_to_tokens(cut(text)["input_ids"]) == pieces
    assert max(max(cut(text)["input_ids"]) for text in TEXTS) < len(cut)


@pytest.mark.parametrize("make", [unigram_tokenizer, wordpiece_tokenizer])
def test_special_tokens_survive_pruning_also_where_no_text_holds_them(make):
    tokenizer = make()
    model, cut = prune_vocabulary(encoder(tokenizer), tokenizer, TEXTS[:1])
    assert cut.special_tokens_map == tokenizer.special_tokens_map
    assert model.get_input_embeddings().padding_idx == cut.pad_token_id == model.config.pad_token_id
    assert cut.mask_token_id < model.config.vocab_size


def test_a_piece_that_was_pruned_is_unknown():
    tokenizer = unigram_tokenizer()
    _, cut = prune_vocabulary(encoder(tokenizer), tokenizer, ["ab"])
    assert tokenizer.unk_token_id not in tokenizer("j")["input_ids"]
    assert cut.unk_token_id in cut("j")["input_ids"]


def test_pieces_in_use_are_listed_once_and_in_order():
    tokenizer = unigram_tokenizer()
    used = pieces_in_use(tokenizer, ["ab", "ab ab"])
    assert used == sorted({*tokenizer.all_special_ids, *tokenizer("ab")["input_ids"]})


def test_a_model_that_predicts_pieces_is_not_pruned():
    with pytest.raises(ValueError, match="predicts pieces"):
        prune_vocabulary(tiny_masked_model(), tiny_tokenizer(), ["a film"])


def test_a_tokenizer_of_another_kind_is_not_pruned():
    tokenizer = tiny_tokenizer()  # whole words
    with pytest.raises(ValueError, match="only Unigram and WordPiece"):
        prune_vocabulary(encoder(tokenizer), tokenizer, ["a film"])


def test_pruning_needs_texts():
    tokenizer = unigram_tokenizer()
    with pytest.raises(ValueError, match="at least one"):
        prune_vocabulary(encoder(tokenizer), tokenizer, "ab cab")


@pytest.mark.real_assets
def test_the_multilingual_encoder_pruned_is_the_same_encoder():
    from tlhelpers.pretrained.models import load

    model, tokenizer = load("multilingual", profile="tiny", quiet=True)
    table = translations()
    texts = [f"query: {text}" for code in ("en", "hi", "ar", "zh") for text in table[code]]
    smaller, cut = prune_vocabulary(model, tokenizer, texts)
    assert smaller.config.vocab_size < 2_000 < model.config.vocab_size
    few = texts[::16]
    assert torch.equal(states(smaller, cut, few), states(model, tokenizer, few))


def test_the_last_layer_is_what_embed_gives():
    tokenizer = unigram_tokenizer()
    model = encoder(tokenizer)
    layers = layer_vectors(model, tokenizer, TEXTS, batch_size=3)
    assert layers.shape == (3, len(TEXTS), 16)
    # A batch of another width sums in another order.
    assert np.allclose(layers[-1], embed(model, tokenizer, TEXTS, progress=False), atol=1e-6)


def test_a_word_has_the_vector_of_its_first_piece():
    tokenizer = unigram_tokenizer()
    model = encoder(tokenizer)
    vectors = word_vectors(model, tokenizer, [["cab", "hij"], ["a"]], prefix="de: ")
    assert [v.shape for v in vectors] == [(2, 16), (1, 16)]
    alone = tokenizer([["de:", "cab", "hij"]], is_split_into_words=True, return_tensors="pt")
    place = alone.word_ids(0).index(2)
    with torch.inference_mode():
        expected = model(**alone).last_hidden_state[0, place].numpy()
    assert np.allclose(vectors[0][1], expected, atol=1e-6)  # the batch is padded


def test_cosine_similarity_does_not_see_length():
    a, b = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[5.0, 0.0], [3.0, 3.0]])
    assert np.allclose(cosine_similarity(a, b), [[1, 0.5**0.5], [0, 0.5**0.5]])
    assert a.tolist() == [[1, 0], [0, 2]]  # not normalised in place


def test_what_all_vectors_of_a_language_share_is_gone_after_centring():
    rng = np.random.default_rng(0)
    meanings = rng.normal(size=(20, 8))
    one, other = meanings + 30 * np.eye(8)[0], meanings - 30 * np.eye(8)[1]
    assert translation_accuracy(one, other) < 0.5
    assert translation_accuracy(one, other, centred=True) == 1.0


def test_each_text_needs_its_translation():
    with pytest.raises(ValueError, match="3 texts and 2 translations"):
        translation_accuracy(np.ones((3, 2)), np.ones((2, 2)))


def test_pieces_are_counted_without_special_tokens():
    pieces = describe_pieces(unigram_tokenizer(), ["ab de", "z"], ["ab"])
    # ▁ab ▁de | ▁ <unk>
    assert pieces.per_text == 2.0
    assert pieces.per_character == pytest.approx(4 / 5)
    assert pieces.unknown == pytest.approx(1 / 4)
    assert pieces.seen == pytest.approx(1 / 4)


def test_nothing_is_seen_without_other_texts():
    assert np.isnan(describe_pieces(unigram_tokenizer(), ["ab"]).seen)


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    a = rng.normal(size=17)
    b = np.round(a + rng.normal(size=17), 1)  # with ties
    rho = rank_correlation(a, b)
    assert rho.mean == pytest.approx(stats.spearmanr(a, b).statistic)
    assert rho.low < rho.mean < rho.high
    assert rho.n == 17


def test_rank_correlation_of_unrelated_lists_holds_zero_about_as_often_as_promised():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(60):
        rho = rank_correlation(rng.normal(size=16), rng.normal(size=16), draws=400)
        held += rho.low <= 0 <= rho.high
    assert held >= 50  # 95 % promised; the bootstrap of so few pairs keeps a little less


def test_rank_correlation_wants_pairs():
    with pytest.raises(ValueError, match="five values"):
        rank_correlation([1, 2, 3], [1, 2, 3])


def test_the_dictionary_is_complete():
    table = translations()
    assert table["kind"].value_counts().to_dict() == {"animal": 30, "other": 30, "sentence": 20}
    assert not table.isna().any().any()
    for code in table.columns.drop("kind"):
        assert code in LANGUAGES
        assert table[code].is_unique, f"two meanings share a word in {LANGUAGES[code].name}"
        assert table[code].map(lambda text: unicodedata.is_normalized("NFC", text)).all()


@pytest.mark.parametrize("code", [code for code in translations().columns if code != "kind"])
def test_each_text_is_in_the_script_of_its_language(code):
    script = {"Han": "CJK"}.get(LANGUAGES[code].script, LANGUAGES[code].script.upper())
    for text in translations()[code]:
        letters = [c for c in text if c.isalpha()]
        assert all(unicodedata.name(c).startswith(script) for c in letters)


def test_a_kind_that_the_dictionary_lacks_is_named():
    with pytest.raises(ValueError, match="'verb'; there are 'animal', 'other', 'sentence'"):
        translations("verb")


def test_vowel_signs_stay_with_their_letters():
    from tlhelpers.corpora.voice_commands import Command, tagged_words

    words, tags = tagged_words(Command("रसोई के पंखे", ((0, 4, "area"),)))
    assert words == ["रसोई", "के", "पंखे"]
    assert tags == ["B-AREA", "O", "O"]
