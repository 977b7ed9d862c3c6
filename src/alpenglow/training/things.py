"""The things that the demo is taught to draw by their names, as the drawings call them."""

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
FAVOURITES = frozenset(name.strip() for name in _FAVOURITES.split(","))
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
ANIMALS_AND_PLANTS = frozenset(name.strip() for name in _ANIMALS_AND_PLANTS.split(","))
"""All of the drawings' that are not among the favourites."""
