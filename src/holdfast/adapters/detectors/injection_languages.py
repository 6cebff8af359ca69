"""The injection rules in languages other than English; see `injection_rules`.

Only the commonest ways to say "ignore your instructions" and "show your prompt".
"""

# A pattern or a sentence is read more easily on one line, however long.

from __future__ import annotations

from holdfast.adapters.detectors.injection_rules import BYPASS, EXTRACTION, ROLE, Rule

_CHINESE_ORDERS = "(?:指令|指示|提示词?|提示詞|命令|规则|規則|设定|設定|约束|約束|限制|prompt)"
_L = r"[^\s!-/:-@\[-`{-~]*"

LANGUAGES: tuple[Rule, ...] = (
    Rule(id="chinese.override", category=ROLE, weight=0.85,
         keys=("忽略", "无视", "無視", "忘记", "忘記", "忘掉", "不理会", "不要理", "抛弃", "拋棄", "不要遵守", "绕过", "繞過", "跳过", "不要遵循", "违背"),
         pattern="(?:忽略|无视|無視|忘记|忘記|忘掉|不理会|不要理会|不要理會|抛弃|拋棄|不要遵守|不要遵循|绕过|繞過|跳过|违背)[^。\n]{0,8}"
                 f"(?:之前|以前|先前|上面|上述|以上|前面|此前|原有|原来|原來|所有|一切|你的|系统|系統|任何)[^。\n]{{0,8}}{_CHINESE_ORDERS}"),
    Rule(id="chinese.extract", category=EXTRACTION, weight=0.8,
         keys=("提示", "指令", "prompt", "设定", "設定"),
         pattern="(?:显示|顯示|输出|輸出|告诉我|告訴我|打印|列印|重复|重複|透露|泄露|洩露|公开|給我看|给我看|说出|說出|展示|复述)[^。\n]{0,8}"
                 "(?:你的|系统|系統|初始|隐藏|隱藏)[^。\n]{0,6}(?:提示词?|提示詞|指令|设定|設定|prompt)"),
    Rule(id="chinese.unbound", category=BYPASS, weight=0.7, keys=("不受", "没有任何", "沒有任何", "无限制", "越狱", "开发者模式"),
         pattern="(?:你现在|你現在|从现在|從現在|扮演|假装|假裝|进入|進入)[^。\n]{0,20}"
                 "(?:不受[^。\n]{0,6}(?:限制|约束|約束)|(?:没有|沒有)任何(?:限制|约束|道德|規則|规则)|无限制|越狱|开发者模式)"),
    Rule(id="japanese.override", category=ROLE, weight=0.85, keys=("指示", "命令", "プロンプト", "ルール", "指令"),
         pattern="(?:以前|前|これまで|上記|先ほど|すべて|全て|全部|元)の?[^。\n]{0,10}(?:指示|命令|プロンプト|ルール|指令)[^。\n]{0,8}(?:無視|忘れ|従わない|従うな)"),
    Rule(id="japanese.extract", category=EXTRACTION, weight=0.8, keys=("プロンプト", "システム", "初期指示"),
         pattern="(?:システムプロンプト|システムメッセージ|初期指示)[^。\n]{0,10}(?:表示し|教えて|出力し|見せ|公開し)"),
    Rule(id="korean.override", category=ROLE, weight=0.85, keys=("무시", "잊"),
         pattern=r"(?:이전|위의?|앞선|앞의|기존|모든|지금까지의?)\s?[^.\n]{0,12}(?:지시|명령|지침|프롬프트|규칙)[^.\n]{0,8}(?:무시|잊)"),
    Rule(id="german.override", category=ROLE, weight=0.85,
         keys=("ignorier", "vergiss", "vergess", "missacht", "verwirf", "verwerfen", "beachte", "überspring", "befolge"),
         pattern=rf"\b(?:ignorier{_L}|vergiss|vergess{_L}|missacht{_L}|verwirf|verwerfen|überspring{_L}|(?:beachte|befolge)n? (?:sie )?(?:nicht|keine)) <4>"
                 rf"(?:vorherig{_L}|bisherig{_L}|obig{_L}|vorangehend{_L}|vorangegangen{_L}|vorangestellt{_L}|früher{_L}|vorig{_L}|vorausgehend{_L}|ursprünglich{_L}|deine|ihre|system{_L}) <2>"
                 rf"(?:anweisung{_L}|instruktion{_L}|befehl{_L}|vorgabe{_L}|regel{_L}|prompt{_L}|richtlinie{_L}|anordnung{_L}|anleitung{_L})"),
    Rule(id="german.extract", category=EXTRACTION, weight=0.8, keys=("prompt", "systemanweisung", "systemnachricht", "anweisung"),
         pattern=rf"\b(?:zeig{_L}|gib|geben|nenn{_L}|verrat{_L}|drucke|wiederhol{_L}|offenbar{_L}|sag{_L}|verrate) <4>"
                 rf"(?:system prompt{_L}|systemprompt{_L}|systemanweisung{_L}|systemnachricht|deine[nr]? <1>(?:prompt|anweisungen))\b"),
    Rule(id="german.unbound", category=BYPASS, weight=0.6, keys=("du bist jetzt", "du bist nun", "ab jetzt bist", "tu so als", "verhalte dich"),
         pattern=rf"\b(?:du bist (?:jetzt|nun)|ab jetzt bist du|tu so als|verhalte dich) <6>(?:ohne (?:<1>)(?:einschränkung{_L}|regeln|filter|beschränkung{_L}|grenzen)|unzensiert{_L}|uneingeschränkt{_L}|keine (?:regeln|einschränkungen))"),
    Rule(id="french.override", category=ROLE, weight=0.85, keys=("ignor", "oubli", "neglig", "tiens pas", "tenez pas", "abstraction", "suis plus", "suivez plus"),
         pattern=rf"\b(?:ignor{_L}|oubli{_L}|neglig{_L}|ne (?:tiens|tenez) pas compte|(?:fais|faites) abstraction|ne (?:suis|suivez) plus) <4>"
                 rf"(?:(?:instructions?|consignes?|directives?|ordres|regles|prompts?|commandes) <2>(?:precedent{_L}|anterieur{_L}|ci dessus|initia{_L}|prealable{_L}|d'avant|donnees|recues|systeme|plus haut)"
                 r"|(?:tes|vos|ton|votre) (?:<1>)(?:instructions|consignes|directives|regles|prompt))"),
    Rule(id="french.extract", category=EXTRACTION, weight=0.8, keys=("prompt", "instructions", "message"),
         pattern=rf"\b(?:montre{_L}|affich{_L}|revel{_L}|donne{_L}|repet{_L}|divulgu{_L}|imprim{_L}) <4>"
                 r"(?:prompt (?:du )?(?:systeme|initial)|prompt system|instructions (?:du )?(?:systeme|initiales|cachees|secretes)|message (?:du )?systeme|(?:ton|votre) prompt)\b"),
    Rule(id="french.and_state", category=ROLE, weight=0.55, keys=("ignor", "oubli"),
         pattern=r"\b(?:ignorez|ignore|oubliez|oublie) (?:la|le|les|cette|ce|tout) <3>et (?:indiquez|indique|dites|dis|declarez|affirmez|repondez|reponds)\b"),
    Rule(id="spanish.override", category=ROLE, weight=0.85, keys=("ignor", "olvid", "descart", "desestim", "omit", "caso", "sigas", "esque", "desconsider"),
         pattern=rf"\b(?:ignor{_L}|olvid{_L}|descart{_L}|desestim{_L}|omit{_L}|haz caso omiso|no hagas caso|no sigas|esque{_L}|desconsider{_L}) <4>"
                 rf"(?:(?:instruc{_L}|indicaciones|ordenes|ordens|orientacoes|reglas|regras|directrices|diretrizes|comandos|prompts?) <2>(?:anterior{_L}|previ{_L}|precedentes|de arriba|acima|inicia{_L}|del sistema|do sistema|recibidas|recebidas)"
                 rf"|(?:tus|sus|suas|tuas) (?:<1>)(?:instruc{_L}|reglas|regras|directrices|diretrizes|ordenes))"),
    Rule(id="spanish.extract", category=EXTRACTION, weight=0.8, keys=("prompt", "instruc", "mensaje", "mensagem"),
         pattern=rf"\b(?:muestr{_L}|mostr{_L}|revel{_L}|dime|diga|imprim{_L}|repit{_L}|exib{_L}|ensen{_L}) <4>"
                 rf"(?:prompt (?:del|do|de) (?:<1>)sistema|(?:tu|seu|su) (?:<1>)prompt|instruc{_L} (?:iniciales|iniciais|del sistema|do sistema|ocultas)|(?:mensaje|mensagem) (?:del|do) sistema)\b"),
    Rule(id="italian.override", category=ROLE, weight=0.85, keys=("ignor", "dimentic", "trascur", "tenere conto"),
         pattern=rf"\b(?:ignor{_L}|dimentic{_L}|trascur{_L}|non tenere conto) <4>"
                 rf"(?:(?:istruzion{_L}|direttiv{_L}|regole|comandi|indicazioni|ordini) <2>(?:precedent{_L}|di prima|sopra|inizial{_L}|di sistema|ricevut{_L})|(?:tue|tuoi|sue) (?:<1>)(?:istruzioni|regole))"),
    Rule(id="russian.override", category=ROLE, weight=0.85,
         keys=("игнорир", "забуд", "не обращай", "отмени", "пренебре", "не следуй"),
         pattern=rf"(?:{_L}игнорир{_L}|забуд{_L}|не обращай{_L} внимания на|отмени{_L}|пренебре{_L}|не следуй{_L}) <3>"
                 rf"(?:предыдущ{_L}|прежн{_L}|прошл{_L}|вышеуказанн{_L}|вышеизложенн{_L}|ранее|сво{_L}|тво{_L}|ваш{_L}|системн{_L}|все|всё|выше) <3>"
                 rf"(?:инструкци{_L}|указани{_L}|команд{_L}|правил{_L}|промпт{_L}|распоряжени{_L}|директив{_L}|предписани{_L})"),
    Rule(id="russian.extract", category=EXTRACTION, weight=0.8, keys=("промпт", "инструкци", "сообщени"),
         pattern=rf"(?:покажи{_L}|выведи{_L}|раскрой{_L}|повтори{_L}|напиши{_L}|сообщи{_L}|скажи{_L}|назови{_L}) <3>"
                 rf"(?:системн{_L} (?:промпт{_L}|инструкци{_L}|сообщени{_L})|(?:свой|твой|ваш|свои|твои|ваши) (?:<1>)(?:промпт{_L}|инструкци{_L}))"),
)  # fmt: skip
