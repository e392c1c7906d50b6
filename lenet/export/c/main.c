/* Read pictures on a computer: cc $name.c main.c && ./a.out picture.$suffix
 *
 * Takes binary $magic files ($suffix, 8 bits) of $width x $height pixels. $prepared */
#include "$name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHANNELS = ${NAME}_CHANNELS,
    HEIGHT = ${NAME}_HEIGHT,
    WIDTH = ${NAME}_WIDTH,
    PIXELS = HEIGHT * WIDTH * CHANNELS,
    STROKES = $strokes, /* whether to look for strokes: on paper or a board, anywhere */
    SIDE = 256,         /* pixels to which a photo's longer side is reduced before */
    INK = 96,           /* pixels from which on they belong to a stroke, of 255 */
    CROP = 64           /* a smaller picture was cut out around its digit, which may touch the rim */
};

/* Read a number of the header, skipping comments; -1 if there is none. */
static long read_number(FILE *file)
{
    long number;
    int c;

    while ((c = fgetc(file)) == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '#')
        if (c == '#')
            while ((c = fgetc(file)) != '\n' && c != EOF)
                ;
    ungetc(c, file);
    return fscanf(file, "%5ld", &number) == 1 ? number : -1;
}

/* Average the pixels of a picture that fall on each pixel of another. */
static void reduce(const uint8_t *in, long width, long height, uint8_t *out, long columns, long rows)
{
    long y, x, c, row, column;

    for (y = 0; y < rows; y++)
        for (x = 0; x < columns; x++)
            for (c = 0; c < CHANNELS; c++) {
                const long top = y * height / rows, left = x * width / columns;
                const long bottom = (y + 1) * height / rows, right = (x + 1) * width / columns;
                long sum = 0, n = 0;
                for (row = top; row < bottom || row == top; row++)
                    for (column = left; column < right || column == left; column++, n++)
                        sum += in[(row * width + column) * CHANNELS + c];
                out[(y * columns + x) * CHANNELS + c] = (uint8_t)(sum / n);
            }
}

/* Return the weight of a pixel for one of another picture, whose pixels are `scale` of the first
 * apart: it falls linearly to 0 at the centre of the next, or over one pixel where the picture
 * grows. */
static double weigh(long pixel, long other, double scale)
{
    const double away = (double)pixel + 0.5 - ((double)other + 0.5) * scale;
    const double weight = 1 - (away < 0 ? -away : away) / (scale > 1 ? scale : 1);

    return weight > 0 ? weight : 0;
}

/* Stretch a picture to the network's size, bilinear over as many pixels as fall on one. */
static void resize(const uint8_t *in, long width, long height, uint8_t *out)
{
    const double down = (double)height / HEIGHT, right = (double)width / WIDTH;
    const long tall = (long)(down > 1 ? down : 1) + 1, wide = (long)(right > 1 ? right : 1) + 1;
    long y, x, c, row, column;

    for (y = 0; y < HEIGHT; y++)
        for (x = 0; x < WIDTH; x++)
            for (c = 0; c < CHANNELS; c++) {
                const long middle = (long)(((double)y + 0.5) * down);
                const long centre = (long)(((double)x + 0.5) * right);
                double sum = 0, all = 0;
                for (row = middle - tall; row <= middle + tall; row++)
                    for (column = centre - wide; column <= centre + wide; column++)
                        if (row >= 0 && row < height && column >= 0 && column < width) {
                            const double weight = weigh(row, y, down) * weigh(column, x, right);
                            sum += weight * in[(row * width + column) * CHANNELS + c];
                            all += weight;
                        }
                out[(y * WIDTH + x) * CHANNELS + c] = (uint8_t)(sum / all + 0.5);
            }
}

/* Invert a picture that is mostly nearer to its lightest pixel than to its darkest, as on paper. */
static void invert_paper(uint8_t *picture, long n)
{
    long sum = 0, i, least = 255, most = 0;

    for (i = 0; i < n; i++) {
        least = picture[i] < least ? picture[i] : least;
        most = picture[i] > most ? picture[i] : most;
        sum += picture[i];
    }
    if (2 * sum > n * (least + most))
        for (i = 0; i < n; i++)
            picture[i] = (uint8_t)(255 - picture[i]);
}

/* Take the light of the paper from a picture of bright strokes: the mean around each pixel of those
 * that are darker than all around. What is left is stretched, so that the brightest is 255. */
static void take_paper(uint8_t *picture, long width, long height)
{
    static uint8_t ground[SIDE * SIDE], mean[SIDE * SIDE];
    const long step = (width > height ? width : height) / 16 + 1;
    long y, x, row, column, i, turn, most = 1;

    memcpy(ground, picture, (size_t)(width * height));
    for (turn = 0; turn < 3; turn++) {
        for (y = 0; y < height; y++)
            for (x = 0; x < width; x++) {
                long sum = 0, n = 0;
                for (row = y - 4 * step; row <= y + 4 * step; row += step)
                    for (column = x - 4 * step; column <= x + 4 * step; column += step)
                        if (row >= 0 && row < height && column >= 0 && column < width) {
                            sum += ground[row * width + column];
                            n++;
                        }
                mean[y * width + x] = (uint8_t)(sum / n);
            }
        for (i = 0; i < width * height; i++)
            if (ground[i] > mean[i])
                ground[i] = mean[i];
    }
    for (i = 0; i < width * height; i++)
        if (picture[i] - mean[i] > most)
            most = picture[i] - mean[i];
    for (i = 0; i < width * height; i++) {
        const long ink = (picture[i] - mean[i]) * 255 / most;
        picture[i] = (uint8_t)(ink < 0 ? 0 : ink);
    }
}

/* Remove all but the heaviest mark and those a sixth as heavy; those at the rim, such as the table
 * beside the paper, only count if there are no others, unless the picture is a small crop. Write
 * the box around them: first row and column, end of rows and columns. Returns how many marks there
 * are. */
static long find_marks(uint8_t *picture, long width, long height, long box[4])
{
    static long mark[SIDE * SIDE], stack[SIDE * SIDE], weight[SIDE * SIDE + 1];
    const long n = width * height;
    long i, marks = 0, most = 0, rim;

    memset(mark, 0, sizeof mark);
    for (i = 0; i < n; i++) {
        long top = 0;
        if (picture[i] < INK || mark[i])
            continue;
        weight[++marks] = rim = 0;
        mark[stack[top++] = i] = marks;
        while (top) {
            const long at = stack[--top], y = at / width, x = at % width;
            long row, column;
            weight[marks] += picture[at];
            rim |= y == 0 || x == 0 || y == height - 1 || x == width - 1;
            for (row = y - 2; row <= y + 2; row++) /* over gaps of a pixel */
                for (column = x - 2; column <= x + 2; column++) {
                    const long next = row * width + column;
                    if (row >= 0 && row < height && column >= 0 && column < width
                        && picture[next] >= INK && !mark[next])
                        mark[stack[top++] = next] = marks;
                }
        }
        if (rim && (width >= CROP || height >= CROP))
            weight[marks] /= SIDE * SIDE;
        most = weight[marks] > most ? weight[marks] : most;
    }
    box[0] = height, box[1] = width, box[2] = box[3] = 0;
    for (i = 0; i < n; i++) {
        const long y = i / width, x = i % width;
        if (mark[i] && weight[mark[i]] * 6 >= most) {
            box[0] = y < box[0] ? y : box[0];
            box[1] = x < box[1] ? x : box[1];
            box[2] = y + 1 > box[2] ? y + 1 : box[2];
            box[3] = x + 1 > box[3] ? x + 1 : box[3];
        } else if (mark[i]) {
            picture[i] = 0;
        }
    }
    return marks;
}

/* Put what is in a box of a picture into an image as MNIST does: its longer side 5/7 of the image's,
 * its centre of mass in the middle. */
static void place(const uint8_t *picture, long width, const long box[4], uint8_t *image)
{
    const long height = box[2] - box[0], breadth = box[3] - box[1];
    const long side = height > breadth ? height : breadth, fit = HEIGHT * 5 / 7;
    long y, x, k, sum = 0, down = 0, right = 0, most = 1, levels[HEIGHT * WIDTH];

    memset(levels, 0, sizeof levels);
    for (y = 0; y < fit; y++)
        for (x = 0; x < fit; x++) {
            long level = 0;
            for (k = 0; k < 64; k++) { /* 8 x 8 places of each pixel */
                const long row = (8 * y + k / 8) * side / (8 * fit);
                const long column = (8 * x + k % 8) * side / (8 * fit);
                if (row < height && column < breadth)
                    level += picture[(box[0] + row) * width + box[1] + column];
            }
            levels[y * WIDTH + x] = level;
            most = level > most ? level : most;
            sum += level, down += level * (2 * y + 1), right += level * (2 * x + 1);
        }
    memset(image, 0, PIXELS);
    sum = sum ? sum : 1;
    down = (HEIGHT + 1 - down / sum) / 2, right = (WIDTH + 1 - right / sum) / 2;
    for (y = 0; y < fit; y++)
        for (x = 0; x < fit; x++)
            if (y + down >= 0 && y + down < HEIGHT && x + right >= 0 && x + right < WIDTH)
                image[(y + down) * WIDTH + x + right] = (uint8_t)(levels[y * WIDTH + x] * 255 / most);
}

/* Draw strokes thicker that are thinner than MNIST's, a tenth of the box around them, and join what
 * a thin pen left apart. The box grows with them. */
static void thicken(uint8_t *picture, long width, long height, long box[4])
{
    static uint8_t thin[SIDE * SIDE];
    long side = box[2] - box[0] > box[3] - box[1] ? box[2] - box[0] : box[3] - box[1];
    long area = 0, edge = 1, i, y, x, turn, turns;

    for (i = 0; i < width * height; i++)
        if (picture[i] >= INK) {
            y = i / width, x = i % width;
            area++;
            edge += y == 0 || x == 0 || y == height - 1 || x == width - 1 || picture[i - 1] < INK
                || picture[i + 1] < INK || picture[i - width] < INK || picture[i + width] < INK;
        }
    turns = (side / 10 - 2 * area / edge + 1) / 2; /* a stroke has two edges */
    for (turn = 0; turn < turns; turn++) {
        memcpy(thin, picture, (size_t)(width * height));
        for (y = 0; y < height; y++)
            for (x = 0; x < width; x++) {
                uint8_t *const here = picture + y * width + x;
                const uint8_t *const old = thin + y * width + x;
                if (y > 0 && old[-width] > *here)
                    *here = old[-width];
                if (y < height - 1 && old[width] > *here)
                    *here = old[width];
                if (x > 0 && old[-1] > *here)
                    *here = old[-1];
                if (x < width - 1 && old[1] > *here)
                    *here = old[1];
            }
        box[0] -= box[0] > 0, box[1] -= box[1] > 0;
        box[2] += box[2] < height, box[3] += box[3] < width;
    }
}

/* Whether a picture is an image already: as bright as MNIST's, and its strokes as large. */
static int is_image(const uint8_t *picture, long width, long height)
{
    long first = height, last = -1, left = width, right = -1, most = 0, i;

    if (width != WIDTH || height != HEIGHT)
        return 0;
    for (i = 0; i < width * height; i++)
        if (picture[i]) {
            const long y = i / width, x = i % width;
            first = y < first ? y : first, last = y > last ? y : last;
            left = x < left ? x : left, right = x > right ? x : right;
            most = picture[i] > most ? picture[i] : most;
        }
    return most >= 224
        && (last - first > right - left ? last - first : right - left) + 1 == HEIGHT * 5 / 7;
}

/* Turn a picture into an image for the network; returns what is wrong, or NULL. */
static const char *prepare(const uint8_t *picture, long width, long height, uint8_t *image)
{
    static uint8_t small[SIDE * SIDE * CHANNELS];
    const long longer = width > height ? width : height;
    const long columns = longer > SIDE ? (width * SIDE + longer - 1) / longer : width;
    const long rows = longer > SIDE ? (height * SIDE + longer - 1) / longer : height;
    long box[4];

    if (!STROKES) {
        resize(picture, width, height, image);
        return NULL;
    }
    reduce(picture, width, height, small, columns, rows);
    invert_paper(small, columns * rows);
    if (is_image(small, columns, rows)) {
        memcpy(image, small, PIXELS);
        return NULL;
    }
    take_paper(small, columns, rows);
    if (!find_marks(small, columns, rows, box))
        return "shows no strokes";
    thicken(small, columns, rows, box);
    place(small, columns, box, image);
    return NULL;
}

/* Read a picture into an image; returns what is wrong, or NULL. */
static const char *read_image(const char *path, uint8_t *image)
{
    FILE *file = fopen(path, "rb");
    const char *fault = NULL;
    uint8_t *picture = NULL;
    long width, height, most, i, bytes;

    if (!file)
        return "cannot be opened";
    if (fgetc(file) != 'P' || fgetc(file) != '$digit') {
        fault = "is no binary $magic file";
    } else {
        width = read_number(file), height = read_number(file), most = read_number(file);
        fgetc(file);
        if (width < 1 || height < 1 || most < 1 || most > 255 || width * height > 100000000L)
            fault = "has a header that cannot be read";
        else if (!(picture = malloc((size_t)(width * height * CHANNELS))))
            fault = "is too large";
        else if (fread(picture, (size_t)(width * CHANNELS), (size_t)height, file) != (size_t)height)
            fault = "is cut short";
        else {
            for (i = 0, bytes = width * height * CHANNELS; i < bytes; i++)
                picture[i] = (uint8_t)(picture[i] > most ? 255 : picture[i] * 255 / most);
            fault = prepare(picture, width, height, image);
        }
    }
    free(picture);
    fclose(file);
    return fault;
}

int main(int count, char **arguments)
{
    static uint8_t image[PIXELS];
    int i, failed = 0;

    if (count < 2) {
        fprintf(stderr, "usage: %s picture.$suffix ...\n", arguments[0]);
        return 2;
    }
    for (i = 1; i < count; i++) {
        const char *fault = read_image(arguments[i], image);
        if (fault) {
            fprintf(stderr, "%s %s\n", arguments[i], fault);
            failed = 1;
        } else {
            printf("%s\n", ${name}_names[${name}_predict(image, NULL)]);
        }
    }
    return failed;
}
