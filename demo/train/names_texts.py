"""Texts with persons, places and organizations, for the training of `names.py` and for its test.

The test has templates and names of its own: each list is cut in two by `split`. So that a model learns how a text speaks
of a person or a place, and not only these sentences and names, training texts vary: many names are invented, and words
around them are other words at random.
"""

GIVEN = """Ada Adam Agnes Ahmed Aisha Alan Albert Alice Amara Amelia Ana Andrea Andrei Angela Anna Anton Antonio Aria Arthur
Astrid Aya Barack Beatrice Ben Bianca Boris Bruno Camila Carl Carlos Carmen Caroline Cecilia Charles Chen Chiara Chloe
Clara Claude Daniel Daria David Deepa Diana Diego Dmitri Dorothy Edgar Edith Eduardo Elena Elias Elif Elizabeth Ella Emil
Emily Emma Enzo Erik Ernest Esther Eva Farid Fatima Felix Fiona Frank Franz Frida George Giulia Grace Gustav Hana Hannah
Hans Harriet Hassan Heidi Helen Henri Hiro Hugo Ibrahim Ida Igor Ines Ingrid Irene Isaac Isabel Ivan Jack James Jan Jane
Javier Jin Joan Johanna John Jonas Jorge José Julia Kamala Karen Karim Katya Kenji Khalid Kofi Lars Laura Lea Leila Leo
Leonardo Li Lina Linda Louis Luca Lucia Luis Maja Marco Margaret Maria Marie Mark Marta Martin Mary Mateo Max Maya Mehmet
Mei Michael Miguel Mila Mira Mohammed Nadia Naomi Natalia Nelson Nia Nikola Nina Noah Nora Olga Oliver Omar Oscar Otto
Pablo Patricia Paul Pedro Peter Petra Philip Priya Rafael Rahul Ravi Rebecca Robert Rosa Ruth Sam Samira Sandra Sara
Sergei Simon Sofia Stefan Steve Susan Sven Tara Tariq Thomas Tim Tomas Ursula Valentina Vera Victor Vikram Walter Wei
William Yara Yuki Yusuf Zainab Zoe""".split()
FAMILY = """Abe Adams Ahmed Ali Alvarez Andersen Archer Bach Baker Banerjee Barbosa Bauer Becker Bell Berg Bianchi Blake
Bohr Bradley Brandt Brown Carter Castillo Chopra Christie Clark Cohen Cook Costa Cruz Curie Dahl Darwin Davies Delgado
Diaz Dubois Duval Eriksson Evans Farrell Fernandez Ferrari Fischer Fleming Fontaine Foster Franklin Fuentes Fujimoto
Garcia Gates Gauss Gomez Gonzalez Gray Green Gupta Haas Hansen Harris Hayashi Hernandez Hoffmann Holm Hopper Hughes
Ibsen Ivanov Jackson Jansen Jensen Jobs Johansson Johnson Jones Kahlo Kaya Keller Khan Kim King Klein Kowalski Kruger
Kumar Lang Larsen Lee Lehmann Lewis Lindgren Lopez Lovelace Mandela Marino Martinez Mehta Meier Mendes Merkel Miller
Mitchell Moore Morales Moreau Mori Morris Müller Murphy Musk Nakamura Nguyen Nielsen Nightingale Novak Obama Okafor
Okonkwo Olsen Ortiz Owens Palmer Park Patel Pereira Petrov Pham Popov Ramirez Rao Reyes Ricci Richter Rivera Roberts
Romano Rossi Roux Russell Saito Sanchez Santos Sato Schmidt Schneider Schubert Scott Shah Sharma Silva Simpson Singh
Smith Sokolov Stein Suzuki Svensson Tanaka Taylor Thompson Torres Turing Turner Vargas Vogel Volkov Wagner Walker Wang
Watanabe Watson Weber White Williams Wilson Wolf Wong Wright Yamamoto Yilmaz Young Zhang Zimmermann""".split()
CITY = """Aarhus Accra Amsterdam Ankara Antwerp Athens Austin Baghdad Baltimore Bangkok Barcelona Basel Beijing Beirut
Belfast Belgrade Bergen Berlin Bern Bilbao Bogota Bologna Bordeaux Boston Bremen Brisbane Bristol Brussels Bucharest
Budapest Cairo Calgary Cardiff Casablanca Chicago Cologne Copenhagen Dakar Dallas Damascus Delhi Denver Detroit Dhaka
Dresden Dubai Dublin Durban Edinburgh Florence Frankfurt Geneva Genoa Ghent Glasgow Graz Hamburg Hanoi Havana Helsinki
Houston Innsbruck Istanbul Jakarta Kabul Karachi Kiel Kigali Kingston Krakow Kyoto Lagos Lahore Leeds Leipzig Lille Lima
Linz Lisbon Liverpool Ljubljana London Lucerne Lyon Madrid Malmo Manchester Manila Marseille Melbourne Memphis Miami
Milan Minsk Montreal Moscow Mumbai Munich Nairobi Nantes Naples Nashville Nice Odessa Osaka Oslo Ottawa Oxford Palermo
Paris Perth Phoenix Pittsburgh Porto Prague Quito Reykjavik Riga Rome Rotterdam Salzburg Santiago Sarajevo Seattle
Seoul Seville Shanghai Singapore Sofia Stockholm Stuttgart Sydney Taipei Tallinn Tampere Tbilisi Tehran Tokyo Toronto
Toulouse Trieste Tunis Turin Utrecht Valencia Vancouver Venice Vienna Vilnius Warsaw Wellington York Zagreb
Zürich""".split()
LAND = """Algeria Angola Argentina Australia Austria Bavaria Belgium Bolivia Brazil Bulgaria California Canada Chile China
Colombia Croatia Cuba Cyprus Denmark Ecuador Egypt England Estonia Ethiopia Europe Finland Florida France Georgia Germany
Ghana Greece Hungary Iceland India Indonesia Iran Iraq Ireland Israel Italy Jamaica Japan Jordan Kenya Latvia Lebanon
Lithuania Malaysia Mali Malta Mexico Morocco Nepal Netherlands Nigeria Norway Oregon Pakistan Panama Peru Poland Portugal
Romania Russia Scotland Senegal Serbia Slovakia Slovenia Spain Sweden Switzerland Syria Texas Thailand Tunisia Turkey
Uganda Ukraine Utah Vietnam Wales Zambia""".split()
STEM = """Acme Aldertree Allianz Amazon Apple Arcadia Atlas Aurora Bayer Beacon Bluebird Boeing Bosch Brightwater Canon
Cedarwood Chevron Cobalt Copperfield Cyberdyne Daimler Danone Deltaworks Disney Eastgate Ericsson Evergreen Falcon
Fairfield Ferrovia Fiat Firestone Foxglove Fujitsu Gazprom Glenmore Globex Goldleaf Google Granite Greenfield Harbor
Heineken Helix Highland Hitachi Honda Horizon Hyundai Ikea Initech Intel Ironbridge Juniper Kestrel Keystone Kodak
Lakeshore Lantern Lego Lenovo Lighthouse Lufthansa Magnolia Maersk Meridian Michelin Microsoft Monarch Moonstone Mozilla
Nestlé Netflix Nexora Nintendo Nokia Northwind Novartis Oakridge Omnicorp Oracle Orion Palisade Panasonic Pegasus Peugeot
Pfizer Philips Pinecrest Pioneer Polaris Quantum Quicksilver Redwood Renault Ridgeline Riverstone Rosewood Samsung
Sapphire Siemens Silverlake Skyline Solaris Sony Starlight Stonebridge Summit Sunrise Techtron Tesla Thornhill Toshiba
Toyota Trident Umbra Unilever Vanguard Vectra Vodafone Volkswagen Volvo Westbrook Whitestone Windmill Xerox Yamaha Zenith
Zephyr""".split()
KIND = """Labs Bank Motors Group Inc Ltd Foundation Airlines Records Systems Energy Software Foods Partners Press Pictures
Media Industries Insurance Robotics Holdings Institute Books Steel""".split()
SYLLABLES = """ba bel bor car cor da del dor el en fa fen gar gol ha hel is jo ka kel kor la len lo ma mar mel mo na nor
ol or pa per qui ra ren ri ro sa sel sha so ta tal ter to ul va vel vin wa wil xan ya zan zo""".split()
# Common words, which are no names even at the start of a sentence.
WORDS = """a able about above across after again against age ago air all almost alone along already also although always
among an and another any anyone anything area around as ask at away back bad be beautiful because become been before began
behind being below best better between big black blue body both bring building business but by call came can car care
carry case cause certain change child children church city clear close cold come common complete could country course cut
dark day days deep did different do does dog door down during each early earth easy eat eight either else end enough even
evening ever every everyone everything eye face fact family far fast father few field fire first fish five food foot for
form forward found four free fresh friend from front full game garden gave get give go going good great ground group grow
had half hand happened hard has have he head hear heart heavy help her here hers high him himself his history hold home
hope hot hour hours how however hundred idea if important in inside instead into is it its job just keep kind kitchen knew
know land language large last late later law least left less let letter life light like line little long look lost lot
loud love low made main make man many market matter may maybe me mean meanwhile men might mile mind mine minute money month
months moon more morning most mother mountain much music must my near nearly need never new news next night nine no none
north not nothing notice now number of off often oil old on once one only open or order other others our ours out over own
page paper part party pass past people perhaps person picture piece place plain plan plant play point poor power problem
put question quick quiet quite rain ran read ready real reason red rest rich right river road rock room round run sad said
same saw say school sea second see seen send several shall she ship short should show side simple since sing six sky sleep
slowly small snow so some someone something sometimes song soon sound south space stand star stay step still stone story
street strong such suddenly summer sun sure table take talk tell ten than that the their them then there these they thing
think third this those though thousand three through time times to today together told tomorrow too took top toward town
travel tree true try turn two under unless until up upon us use usually very visit voice wait walk wall want war warm was
watch water way we week weeks well went were west what when where whether which while white who whole whose why wide wife
will wind window winter with within without woman women wood word work world would write year years yes yet you young
your""".split()
ENDINGS = {
    "PER": "a o e i son sen er ez ov ini ski ton an us".split(),
    "LOC": "a ia burg ton ville ford stad port o berg land".split(),
    "ORG": "a ex ix on tech ware soft ium co is ora ent".split(),
}

# `[a|b]` is a choice, {PER}, {LOC} and {ORG} are names.
TRAINING = """{PER} [was born|lives|lived|grew up|works|worked|died|settled|studied] in {LOC}.
{PER} [moved|travels|returned|flew|drove] from {LOC} to {LOC} [last year|in March|in 1987|every summer|to study music].
{PER} [works|worked] [for|at] {ORG} [in {LOC}|as an engineer|since 2015|for ten years].
{PER} [joined|left|founded|leads|runs|started|sold|sued] {ORG} [in 2004|last week|two years ago|after a long career|in {LOC}].
{ORG} [opened|closed|will open|is building|plans] [a|a new|its first] [factory|office|store|school|laboratory] in {LOC}.
{ORG} [bought|acquired|sued|will buy|is in talks with|signed a contract with] {ORG} [for two billion dollars|on Monday|this spring|last year].
{ORG} [is based|has its headquarters|was founded|employs 300 people] in {LOC}.
{ORG} named {PER} [as its new chief|chief executive|head of research|to its board].
{PER}, [the head|the founder|a director|an engineer|the chairman|a spokeswoman] of {ORG}, [said|told reporters|wrote] that [sales rose|the plan is good|prices will fall|nothing has changed].
[The shares|Shares|The products|The workers|The profits|The engineers] of {ORG} [rose by four percent|fell on Friday|are well known in {LOC}|were down again].
[Yesterday|On Tuesday|In June|Last night|Today], {PER} [met|called|visited|interviewed|thanked] {PER} [in {LOC}|at {ORG}|for lunch|after the match].
{PER} and {PER} [were married|met|opened a bakery|gave a concert|bought a house|wrote a book] in {LOC}.
[The mayor|The president|The people|The museums|The streets|The weather|The airport] of {LOC} [is|are] [famous|old|lovely in May|well known].
[Dr.|Professor|Mrs.|Mr.|Ms.|President|Captain] {PER} [visited|will visit|comes from|loves|teaches in] {LOC}.
[Dr.|Professor|Mrs.|Mr.|Ms.|Judge] {PER} [has worked for|advises|is a friend of|spoke about] [{ORG}|{PER}].
[The flight|The train|The road|The ferry|A bus] from {LOC} to {LOC} [takes three hours|was late|is closed|leaves at noon].
"[I am happy|We lost the match|It was a hard year|The house is sold]," [said|says] {PER} [of {ORG}|from {LOC}|on Sunday|in an interview].
[The novel|The song|The film|The painting|A letter|This book] by {PER} is [about|set in] {LOC}.
[My friend|My sister|My neighbor|Her brother|The singer|The painter|The writer|The player|The scientist] {PER} [is from|lives in|likes|left|comes from] {LOC}.
[The company|The bank|The publisher|The club|The start-up|The airline] {ORG} [is|was] [in trouble|sold to {ORG}|led by {PER}|from {LOC}].
We [spent a week|were on holiday|stayed|changed trains|got lost] in {LOC} [with {PER}|last summer|and then in {LOC}|in the rain].
[Have you been to|Do you know|She has never seen|I love|I miss|They like] {LOC}[?|.| in winter.]
[Have you met|Do you know|I saw|She called|Ask|I agree with|We thank] {PER}[?|.| yesterday.]
[He bought|She sold|I use|They make] [a phone|a car|shares|software|a camera|a printer] [from|by|of] {ORG}.
[Customers|Clients|Employees|Investors] of {ORG} in {LOC} [complained|are worried|were pleased] [on Thursday|about the prices].
{LOC} is [the capital|a city in the north|the largest town|a part|in the west] of {LOC}.
{LOC} and {LOC} [signed|reached|broke] [an agreement|a treaty|a contract] [in April|on trade|last week].
[The embassy|The ambassador|The minister|The army|The government] of {LOC} [in {LOC} ||]said [nothing|that the talks go on|it will help].
{PER} [won|lost] [the race|the election|a prize|the final|a medal] in {LOC} [against {PER}|in 1999|by two points].
{PER} [was a|is a|became a] [physicist|teacher|doctor|nurse|poet|lawyer] [from {LOC}|in {LOC}|at {ORG}].
In {LOC}, {PER} [opened|showed|presented|sold] [a new shop|her pictures|his plans|the first computer].
[According to|A spokesman for|A report by|An analysis by|A lawyer for] {ORG}[,| said] [sales|prices|costs|profits] [rose|fell|doubled] [in {LOC}|in May|this year].
{ORG}, [the maker of cars|which makes phones|a software company|a bank] from {LOC}, [hired|dismissed] {PER} [in July|last month].
[Contact|Please write to|Send the invoice to] {PER} at {ORG}[.| in {LOC}.]
{PER}'s [mother|first film|team|new house|company|bicycle] [is from|is in|was made in] {LOC}.
{ORG}'s [new phone|chief executive|latest report|profit] [surprised|pleased] [everyone|{PER}|the market in {LOC}].
[The weather|The soup|The meeting|The garden|The answer|The train] was [cold|late|very good|on Monday|too short|in the evening].
[Nothing|Everything|It] [happened|changed|began] [in December|on Wednesday|after the war|in the morning].
[Please|You should|We must|They will|I can] [read the manual|close the door|wait until Friday|open the window|buy bread].
[Why|When|How|Where] [did the|does the|will the] [bus|film|lesson|game] [start|stop|end]?
[Scientists|Doctors|Children|Farmers|Students] [in {LOC}|from {ORG}|at {ORG}] [found|planted|saw|built] [a new star|a tree|an old coin].
[Between|Near|Not far from|Outside] {LOC} [and {LOC} there|there] is [a lake|an old bridge|a forest].
[The award|The prize|The job|The medal] [went|was given] to {PER} [of {LOC}|of {ORG}|from {LOC}|].
[Thousands|Many people|Three ships|The players] [left|reached|fled|came to] {LOC} [on Saturday|by sea|in 1945].
{PER} [told|asked|answered|wrote to] {PER} that {ORG} [had called|is for sale|was right].
{PER} ({LOC}), {PER} ({LOC}) and {PER} [won|finished|started].
[Both|Neither|Either|Perhaps|Also|Then|Soon|Later|Now] {PER} [and|or] {PER} [live|work|sang|slept|stayed] [in {LOC}|at {ORG}|].
[The king|The queen|The president|A minister|The army|A newspaper|The parliament] of {LOC} [met|called|helped|attacked|spoke to] {PER}[.| in {LOC}.]
[There are|They built|We found|She owns] [two|many|some|no] [houses|factories|lakes|shops|farms] [near|around|in|outside|between] {LOC} [and {LOC}|or {LOC}|in 2010|next year|].
[My name is|I am|This is|Her name is|He is called] {PER} and [I live|I work|he lives|she comes|we are] [in {LOC}|from {LOC}|at {ORG}|with {PER}].
{PER} [knows|left|visits|hates|saw|likes] {LOC}, [but|and|because|so|while] [it is cold there|{PER} stayed|the train was late|{ORG} is there].
[It rained|We waited|She slept|They sang] in {LOC} [because|while|until|when|after] {PER} [was ill|came|left|called].
[The story|A film|A letter|News|A song] about {LOC} [made|pleased|helped] {PER} [happy|famous|].
{ORG} [fined|paid|thanked|helped|hired|dismissed|praised] {PER} [for|after|before|because of] [a mistake|the work|an accident in {LOC}].
[A judge|The police|The union|The market|A court] in {LOC} [fined|stopped|supports|asked|watched] {ORG} [again|today|because of {PER}|].
[Why|Where|When|How] [is|was|did you meet|does one find] [{PER}|{ORG}|{LOC}] [now|today|in May|]?
[The|A|Our] [employees|managers|offices|trucks|computers] [of|at|from] {ORG} [stay|stopped|are new|arrived] in {LOC} [and {LOC}|or {LOC}|].
[He|She|They|Nobody] [went|drove|walked|travels|moved] to {LOC} [with {PER}|for {ORG}|or {LOC}|and back].
{PER} [plays|sings|cooks|paints|dances] [for {ORG}|with {PER}|in {LOC}|every Friday].""".splitlines()
HELD_OUT = """After [ten|three] years at {ORG}, {PER} [moved to|returned to|now lives in] {LOC}.
[The founder|The new head] of {ORG} is {PER}, [a lawyer|an engineer] from {LOC}.
{PER} [visited|loves] {LOC} and [wrote|wrote a book] about it.
{ORG} and {ORG} will [open|build] [a laboratory|a factory] near {LOC} [in 2004|this year].
[Both|Last week both] {PER} and Professor {PER} spoke in {LOC}.
Before the war, {PER} lived in {LOC} with {PER}.
[Today|On Friday] {ORG} said that it [hired|named] {PER}.
[The government|The president] of {LOC} thanked {PER} for the help.
[I|We] met {PER} on the train to {LOC}.
{PER} left {LOC} because {ORG} closed [its office|the factory].
The engineers at {ORG} work with a bank from {LOC}.
[Who|Why] is {PER} in {LOC}?
Most employees of {ORG} live in {LOC} or {LOC}.
The teacher [asked|thanked] {PER} [about|for the book about] {LOC}.
In May, {ORG} will move its headquarters from {LOC} to {LOC}.
The [garden|film] was lovely, said {PER}.
The children were late on Monday because the road was closed.
{PER} sold {ORG} to {ORG} and bought a house in {LOC}.""".splitlines()


def split(names, rng):
    """Four fifths of the names for training, and the others."""
    order = [names[i] for i in rng.permutation(len(names))]
    return order[len(order) // 5 :], order[: len(order) // 5]


class Writer:
    """Writes texts from templates, with the spans of their names."""

    def __init__(self, templates, names, rng, invented=0.0, changed=0.0):
        self.templates, self.names, self.rng = templates, names, rng
        # The shares of names that are invented, and of other words that are changed.
        self.invented, self.changed = invented, changed

    def choice(self, values):
        return values[int(self.rng.integers(len(values)))]

    def word(self, kind, label):
        """A name of a list, or one made of two of them or of syllables."""
        chance, name = self.rng.random(), self.choice(self.names[kind])
        if chance >= self.invented:
            return name
        if chance < self.invented / 2:
            return self.syllables().capitalize() + self.choice(ENDINGS[label])
        other = self.choice(self.names[kind])
        return name[: int(self.rng.integers(2, 5))] + other[-int(self.rng.integers(2, 6)) :].lower()

    def syllables(self):
        return "".join(self.choice(SYLLABLES) for _ in range(self.rng.integers(1, 3)))

    def other_word(self):
        return self.syllables() if self.rng.random() < 0.25 else self.choice(WORDS)

    def vary(self, text):
        """A part of a sentence without names, with some words replaced and some added."""
        words = text.split(" ")
        for i, word in enumerate(words):
            if word.isalpha() and self.rng.random() < self.changed:
                other = self.other_word()
                if self.rng.random() < 0.3:
                    words[i] = f"{word} {other}"
                else:
                    words[i] = other.capitalize() if word[0].isupper() else other
        return " ".join(words)

    def name(self, label):
        chance = self.rng.random()
        if label == "PER":
            given, family = self.word("given", label), self.word("family", label)
            if chance < 0.08:
                return f"{given} {self.choice('ABCDEFGHJKLMPRSTW')}. {family}"
            return given if chance < 0.18 else family if chance < 0.28 else f"{given} {family}"
        if label == "LOC":
            land, city = self.word("land", label), self.word("city", label)
            before = self.choice(["New", "North", "South", "Port", "San", "East", "Lake", "Mount"])
            return f"{before} {city}" if chance < 0.12 else land if chance < 0.35 else city
        stem = self.word("stem", label)
        if chance < 0.07:
            return "".join(self.choice("ABCDEFGIKLMNPRSTUVW") for _ in range(3))
        if chance < 0.16:
            return f"University of {self.word('city', 'LOC')}"
        return stem if chance < 0.45 else f"{stem} {self.choice(KIND)}"

    def sentence(self):
        """A text and its names as (start, end, label)."""
        rest, text, spans = self.choice(self.templates), "", []
        if self.rng.random() < self.changed:
            # An opening, such as "Perhaps" or "However,".
            text = self.other_word().capitalize() + self.choice([" ", ", ", f" {self.other_word()} "])
            rest = rest if rest[0] in '[{"' else rest[0].lower() + rest[1:]
        while "[" in rest:
            before, after = rest.split("[", 1)
            options, after = after.split("]", 1)
            rest = before + self.choice(options.split("|")) + after
        while "{" in rest:
            before, after = rest.split("{", 1)
            label, rest = after.split("}", 1)
            name, before = self.name(label), self.vary(before)
            spans.append((len(text + before), len(text + before + name), label))
            text += before + name
        text = (text + self.vary(rest)).replace(" .", ".").replace(" ?", "?")
        return text, spans

    def text(self, count):
        """Several sentences as one text."""
        text, spans = "", []
        for _ in range(count):
            more, names = self.sentence()
            offset = len(text) + (1 if text else 0)
            spans += [(start + offset, end + offset, label) for start, end, label in names]
            text = f"{text} {more}" if text else more
        return text, spans
