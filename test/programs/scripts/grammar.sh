# m4, flex and bison make a calculator, gcc compiles it, it calculates.
set -e
m4 -DN=60 <<'TEXT' | cksum
define(`loop', `ifelse($1, 0, , `eval($1 * $1) loop(decr($1))')')dnl
loop(N) len(`text') translit(`abc', `a-c', `A-C') patsubst(`a1b2', `[0-9]', `#') esyscmd(`seq 1 3')
TEXT
cat > calculator.l <<'TEXT'
%{
#include "calculator.tab.h"
#include <stdlib.h>
%}
%option noyywrap nounput noinput
%%
[0-9]+ { yylval = atol(yytext); return NUMBER; }
[ \t]+ ;
.|\n   { return yytext[0]; }
TEXT
cat > calculator.y <<'TEXT'
%{
#include <stdio.h>
int yylex(void); void yyerror(const char *s) { printf("%s\n", s); }
%}
%define api.value.type {long}
%token NUMBER
%left '+' '-'
%left '*' '/'
%right NEGATIVE
%%
lines: | lines line;
line: '\n' | expression '\n' { printf("%ld\n", $1); } | error '\n' { yyerrok; };
expression: NUMBER | expression '+' expression { $$ = $1 + $3; } | expression '-' expression { $$ = $1 - $3; }
  | expression '*' expression { $$ = $1 * $3; } | '-' expression %prec NEGATIVE { $$ = -$2; } | '(' expression ')' { $$ = $2; };
%%
int main(void) { return yyparse(); }
TEXT
bison -d --report=all calculator.y && flex calculator.l
cksum calculator.tab.c calculator.output lex.yy.c
gcc -O1 -o calculator calculator.tab.c lex.yy.c
printf '1 + 2 * 3\n-(4 - 10) * 7\n1 +\n2\n' | ./calculator
echo 'x: y' | bison -o none.c /dev/stdin || echo "status $?"
