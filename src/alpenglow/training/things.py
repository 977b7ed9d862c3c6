"""The things that the demo is taught to draw by their names, as the drawings call them."""


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(","))


_FAVOURITES = """
    airplane, alarm clock, alien, astronaut, automobile, avocado, balloon, banana, bear, bell, bicycle, bird,
    birthday cake, bus, butterfly, cactus, camera, carrot, castle, cat, cherries, christmas tree, cloud, cow, crab,
    crown, cupcake, dog, dolphin, doughnut, dragon, duck, elephant, evergreen tree, fire engine, fish, flamingo,
    flying saucer, fox, frog, ghost, grapes, grinning face, guitar, hamburger, helicopter, honeybee, horse,
    hot beverage, house, key, koala, lady beetle, laptop, lemon, light bulb, lion, monkey, mouse, mushroom, octopus,
    owl, palm tree, panda, parrot, penguin, pig, pineapple, pizza, rabbit, rainbow, red apple, red heart, robot,
    rocket, rose, sailboat, skull, snail, snake, snowman, soccer ball, star, strawberry, sun, sunflower, teddy bear,
    tent, tiger, tractor, train, trophy, tulip, turtle, umbrella, unicorn, volcano, watermelon, whale, wrapped gift
"""
FAVOURITES = _names(_FAVOURITES)
"""What people ask for first."""

_ANIMALS_AND_PLANTS = """
    ant, baby chick, badger, bat, beaver, beetle, bison, black bird, black cat, blossom, blowfish, boar, bouquet,
    bug, camel, cat face, cherry blossom, chicken, chipmunk, cockroach, coral, cow face, cricket, crocodile,
    deciduous tree, deer, dodo, dog face, donkey, dove, dragon face, eagle, empty nest, ewe, fallen leaf, feather,
    fly, four leaf clover, front-facing baby chick, giraffe, goat, goose, gorilla, guide dog, hamster,
    hatching chick, hedgehog, herb, hibiscus, hippopotamus, horse face, hyacinth, jellyfish, kangaroo,
    leaf fluttering in wind, leopard, lizard, llama, lobster, lotus, mammoth, maple leaf, microbe, monkey face,
    moose, mosquito, mouse face, nest with eggs, orangutan, otter, ox, oyster, paw prints, peacock, phoenix,
    pig face, pig nose, polar bear, poodle, potted plant, rabbit face, raccoon, ram, rat, rhinoceros, rooster,
    rosette, sauropod, scorpion, seal, seedling, service dog, shamrock, shark, sheaf of rice, shrimp, skunk, sloth,
    spider, spider web, spiral shell, spouting whale, squid, swan, t-rex, tiger face, tropical fish, turkey,
    two-hump camel, water buffalo, white flower, wilted flower, wing, wolf, worm, zebra
"""
ANIMALS_AND_PLANTS = _names(_ANIMALS_AND_PLANTS)
"""All of the drawings' that are not among the favourites."""

_FOOD_AND_DRINK = """
    amphora, baby bottle, bacon, bagel, baguette bread, beans, beer mug, bell pepper, bento box, beverage box,
    blueberries, bottle with popping cork, bowl with spoon, bread, broccoli, brown mushroom, bubble tea, burrito,
    butter, candy, canned food, cheese wedge, chestnut, chocolate bar, chopsticks, clinking beer mugs,
    clinking glasses, cocktail glass, coconut, cooked rice, cookie, cooking, croissant, cucumber, cup with straw,
    curry rice, custard, cut of meat, dango, dumpling, ear of corn, egg, eggplant, falafel, fish cake with swirl,
    flatbread, fondue, fork and knife, fork and knife with plate, fortune cookie, french fries, fried shrimp, garlic,
    ginger root, glass of milk, green apple, green salad, honey pot, hot dog, hot pepper, ice, ice cream, jar,
    kitchen knife, kiwi fruit, leafy green, lime, lollipop, mango, mate, meat on bone, melon, moon cake, oden, olive,
    onion, pancakes, pea pod, peach, peanuts, pear, pie, popcorn, pot of food, potato, poultry leg, pouring liquid,
    pretzel, rice ball, rice cracker, roasted sweet potato, sake, salt, sandwich, shallow pan of food, shaved ice,
    shortcake, soft ice cream, spaghetti, spoon, steaming bowl, stuffed flatbread, sushi, taco, takeout box, tamale,
    tangerine, teacup without handle, teapot, tomato, tropical drink, tumbler glass, waffle, wine glass
"""
FOOD_AND_DRINK = _names(_FOOD_AND_DRINK)
"""Likewise."""

_PLACES_AND_VEHICLES = """
    ambulance, anchor, articulated lorry, auto rickshaw, bullet train, canoe, carousel horse, church, circus tent,
    classical building, closed umbrella, cloud with lightning, cloud with rain, cloud with snow, comet, compass,
    convenience store, crescent moon, delivery truck, derelict house, desert island, droplet, factory, ferris wheel,
    ferry, fire, fountain, fuel pump, full moon, full moon face, globe showing europe-africa, high voltage, hospital,
    hotel, hourglass done, houses, hut, japanese castle, kick scooter, locomotive, luggage, minibus, monorail, mosque,
    motor scooter, motorcycle, office building, oil drum, parachute, passenger ship, pickup truck, police car,
    racing car, ring buoy, ringed planet, rock, roller coaster, roller skate, satellite, school, ship, shooting star,
    skateboard, snowflake, speedboat, sport utility vehicle, stadium, stop sign, stopwatch, sun with face, taxi,
    thermometer, tokyo tower, tornado, tram, watch, water wave, wheel
"""
PLACES_AND_VEHICLES = _names(_PLACES_AND_VEHICLES)
"""Those that differ at a glance, and what is seen in the sky."""

_OBJECTS = """
    abacus, adhesive bandage, axe, backpack, balance scale, bar chart, basket, bathtub, battery, bed, bikini, bomb,
    books, boomerang, bow and arrow, briefcase, broom, bucket, calendar, candle, carpentry saw, chair, cigarette,
    clapper board, clipboard, closed book, coat, coffin, coin, couch and lamp, credit card, dagger, desktop computer,
    dollar banknote, door, dress, drum, electric plug, envelope, flashlight, floppy disk, flute, fountain pen, gear,
    gem stone, glasses, gloves, graduation cap, hammer, handbag, headphone, headstone, high-heeled shoe, jeans,
    keyboard, kimono, ladder, lipstick, locked, loudspeaker, magnifying glass tilted left, magnet, man's shoe, maracas,
    megaphone, microphone, microscope, mirror, moai, mobile phone, money bag, movie camera, musical keyboard,
    musical note, necktie, newspaper, open book, optical disk, package, paintbrush, paperclip, pencil, pill, postbox,
    printer, pushpin, radio, red paper lantern, ring, roll of paper, running shoe, satellite antenna, saxophone, scarf,
    scissors, screwdriver, scroll, shield, shopping cart, shorts, soap, socks, sunglasses, syringe, t-shirt, telephone,
    telescope, television, test tube, toilet, toolbox, toothbrush, top hat, trumpet, video camera, violin, wastebasket,
    window, woman's boot, woman's hat, wrench
"""
OBJECTS = _names(_OBJECTS)
"""Likewise: tools, clothes, furniture, instruments."""

_GAMES_AND_PARTIES = """
    american football, artist palette, baseball, basketball, bowling, boxing glove, bullseye, crystal ball, fireworks,
    fishing pole, flag in hole, framed picture, game die, ice skate, jack-o-lantern, joystick, kite, magic wand,
    military medal, mirror ball, nesting dolls, party popper, performing arts, piñata, ping pong, pool 8 ball,
    puzzle piece, ribbon, skis, sled, slot machine, sports medal, tennis, ticket, video game, volleyball, yarn, yo-yo
"""
GAMES_AND_PARTIES = _names(_GAMES_AND_PARTIES)
"""Likewise: sport, play, feasts, arts."""

_PEOPLE_AND_FACES = """
    angry face, baby, boy, brain, clown face, crying face, ear, eye, face with tears of joy, fairy, firefighter, foot,
    girl, man, mermaid, mouth, nose, ogre, old man, old woman, person, pile of poo, police officer, princess,
    santa claus, sleeping face, smiling face with heart-eyes, smiling face with sunglasses, thinking face, tooth,
    winking face, woman
"""
PEOPLE_AND_FACES = _names(_PEOPLE_AND_FACES)
"""A few of five hundred, most of which differ in little."""

OTHERS = {
    "animals and plants": ANIMALS_AND_PLANTS,
    "food and drink": FOOD_AND_DRINK,
    "places and vehicles": PLACES_AND_VEHICLES,
    "objects": OBJECTS,
    "games and parties": GAMES_AND_PARTIES,
    "people and faces": PEOPLE_AND_FACES,
}
"""What is taught beside the favourites, by what it is."""
