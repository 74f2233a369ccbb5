"""Sentences of which the miniature's data sets are made and on which its tokenizers are trained."""

REVIEWS = {
    "negative": [
        "A dull film with a weak plot and no heart at all.",
        "I left the cinema bored, tired and a little angry.",
        "The jokes fall flat and the ending makes no sense.",
        "Two hours of noise; nothing in it surprised me.",
        "The actors try, but the script gives them nothing to do.",
        "Not funny, not sad, not worth the price of a ticket.",
    ],
    "positive": [
        "A warm and funny film that I would gladly see again.",
        "The cast is wonderful and the story moved me to tears.",
        "Sharp, clever and beautifully shot from start to end.",
        "I laughed, I cried, and I told all my friends about it.",
        "A small story told with great care; every scene counts.",
        "The best two hours that I have spent in a cinema this year.",
    ],
}
NEWS = [
    "Leaders met in Geneva to talk about the new climate treaty.",
    "The home team won the final after extra time on Sunday.",
    "Shares of the car maker fell after it cut its forecast.",
    "A new telescope has found water on a distant planet.",
]
REQUESTS = {
    "en": ["wake me up at seven", "play some jazz", "will it rain today", "turn off the lights"],
    "de": ["weck mich um sieben", "spiel etwas jazz", "regnet es heute", "mach das licht aus"],
    "es": ["despiértame a las siete", "pon algo de jazz", "lloverá hoy", "apaga las luces"],
    "fr": ["réveille moi à sept heures", "mets du jazz", "va t il pleuvoir", "éteins la lumière"],
    "hi": ["मुझे सात बजे जगाओ", "कुछ जैज़ बजाओ", "क्या आज बारिश होगी", "बत्तियाँ बंद करो"],
    "sw": ["niamshe saa moja", "cheza jazz", "je mvua itanyesha leo", "zima taa"],
    "ar": ["أيقظني في السابعة", "شغل موسيقى الجاز", "هل ستمطر اليوم", "أطفئ الأضواء"],
    "ru": ["разбуди меня в семь", "включи джаз", "будет ли дождь", "выключи свет"],
    "tr": ["beni yedide uyandır", "biraz caz çal", "bugün yağmur yağacak mı", "ışıkları kapat"],
    "zh": ["七点叫醒我", "放点爵士乐", "今天会下雨吗", "关灯"],
    "ja": ["七時に起こして", "ジャズをかけて", "今日は雨が降るの", "電気を消して"],
    "vi": ["đánh thức tôi lúc bảy giờ", "bật nhạc jazz", "hôm nay có mưa không", "tắt đèn"],
    "bg": ["събуди ме в седем", "пусни джаз", "ще вали ли днес", "изключи лампите"],
    "el": ["ξύπνα με στις επτά", "παίξε τζαζ", "θα βρέξει σήμερα", "σβήσε τα φώτα"],
    "th": ["ปลุกฉันตอนเจ็ดโมง", "เปิดเพลงแจ๊ส", "วันนี้ฝนจะตกไหม", "ปิดไฟ"],
    "ur": ["مجھے سات بجے جگاؤ", "جاز بجاؤ", "کیا آج بارش ہوگی", "بتیاں بند کرو"],
}
INTENTS = ["alarm_set", "play_music", "weather_query", "iot_hue_lightoff"]
TAGGED = [
    ("Marie Curie was born in Warsaw .", "B-PER I-PER O O O B-LOC O"),
    ("The United Nations met in New York .", "O B-ORG I-ORG O O B-LOC I-LOC O"),
    ("Siemens opened an office in Cairo .", "B-ORG O O O O B-LOC O"),
    ("Two Brazilian players left for Madrid .", "O B-MISC O O O B-LOC O"),
]
PASSAGE = (
    "The river rises in the hills of the north. It flows for ninety miles through farmland and "
    "reaches the sea at the old port of Selby."
)
QUESTIONS = [
    ("Where does the river rise?", "the hills of the north"),
    ("How far does it flow?", "ninety miles"),
    ("Where does it reach the sea?", "the old port of Selby"),
]
TRANSLATIONS = [
    ("The house was dark and silent.", "La maison était sombre et silencieuse."),
    ("He opened the letter slowly.", "Il ouvrit lentement la lettre."),
    ("They walked along the river.", "Ils marchèrent le long de la rivière."),
    ("Nobody answered the door.", "Personne ne répondit à la porte."),
]
ABSTRACT = {
    "background": "Little is known about the effect of sleep on recovery after surgery .",
    "objective": "To compare two doses of the drug in adults with asthma .",
    "methods": "We randomly assigned 120 patients to treatment or placebo for @ weeks .",
    "results": "Pain scores fell by @ points in the treatment group ( p < @ ) .",
    "conclusions": "The treatment was safe and reduced pain in this group .",
}
CLAUSES = {
    "Governing Laws": "This agreement shall be governed by the laws of the state of New York.",
    "Notices": "All notices under this agreement shall be in writing and sent by mail.",
    "Terminations": "Either party may terminate this agreement upon thirty days notice.",
}
MARKETS = {
    "bearish": "Shares slump as the bank warns of weaker profit",
    "bullish": "Stock jumps after earnings beat every estimate",
    "neutral": "The company will report its quarter on Thursday",
}
CHINESE = {
    "negative": ["房间太小,服务很差", "早餐难吃,不会再来"],
    "positive": ["房间干净,服务很好", "位置方便,下次还来"],
}


def everything() -> list[str]:
    """Return all of it, to train tokenizers on."""
    english = [
        *REVIEWS["negative"],
        *REVIEWS["positive"],
        *NEWS,
        *(sentence for sentence, _ in TAGGED),
        PASSAGE,
        *(question for question, _ in QUESTIONS),
        *ABSTRACT.values(),
        *CLAUSES.values(),
        *MARKETS.values(),
    ]
    other = [request for requests in REQUESTS.values() for request in requests]
    pairs = [sentence for pair in TRANSLATIONS for sentence in pair]
    return english + other + pairs + CHINESE["negative"] + CHINESE["positive"]
