/* Prints the rates of roofline.c. */
void rates(void);

int main(void) {
    rates();
    return 0;
}
