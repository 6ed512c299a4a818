namespace RlHarness.Formats.ChatTemplates;

/// <summary>
/// Expressions, in Jinja's own order of precedence: <c>~</c> binds tighter than <c>+</c>, a filter tighter than any operator, a test tighter than
/// arithmetic.
/// </summary>
internal sealed partial class TemplateParser
{
    private Expression Expression(bool withCondition = true)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        if (!withCondition)
            return Or();
        var line = Line;
        var value = Or();
        while (TakeName("if"))
        {
            var condition = Or();
            var otherwise = TakeName("else") ? Expression() : null;
            value = new ConditionalExpression(condition, value, otherwise, line);
        }

        return value;
    }

    private Expression Tuple(bool withCondition = true, string? end = null, bool parenthesised = false)
    {
        var line = Line;
        var items = new List<Expression>();
        var tuple = false;
        while (true)
        {
            if (items.Count > 0)
                Expect(",");
            if (Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd || IsOperator(")") || (end is not null && IsName(end)))
                break;
            items.Add(Expression(withCondition));
            if (!IsOperator(","))
                break;
            tuple = true;
        }

        if (tuple)
            return new TupleExpression([.. items], line);
        if (items.Count == 1)
            return items[0];
        return parenthesised ? new TupleExpression([], line) : throw Error($"Expected an expression, got {Describe(Current)}");
    }

    private Expression Or()
    {
        var left = And();
        while (Current is { Kind: TokenKind.Name, Text: "or" })
        {
            var line = Take().Line;
            left = new BinaryExpression("or", left, And(), line);
        }

        return left;
    }

    private Expression And()
    {
        var left = Not();
        while (Current is { Kind: TokenKind.Name, Text: "and" })
        {
            var line = Take().Line;
            left = new BinaryExpression("and", left, Not(), line);
        }

        return left;
    }

    private Expression Not()
    {
        var line = Line;
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        return TakeName("not") ? new UnaryExpression("not", Not(), line) : Compare();
    }

    private Expression Compare()
    {
        var line = Line;
        var first = Sum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            if (Current.Kind == TokenKind.Operator && Current.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
                rest.Add((Take().Text, Sum()));
            else if (TakeName("in"))
                rest.Add(("in", Sum()));
            else if (IsName("not") && _tokens[_at + 1] is { Kind: TokenKind.Name, Text: "in" })
            {
                _at += 2;
                rest.Add(("not in", Sum()));
            }
            else
            {
                return rest.Count == 0 ? first : new CompareExpression(first, [.. rest], line);
            }
        }
    }

    private Expression Sum() => Left(Concat, "+", "-");

    private Expression Concat()
    {
        var line = Line;
        var parts = new List<Expression> { Product() };
        while (TakeOperator("~"))
            parts.Add(Product());
        return parts.Count == 1 ? parts[0] : new ConcatExpression([.. parts], line);
    }

    private Expression Product() => Left(Power, "*", "/", "//", "%");

    private Expression Power() => Left(() => Unary(), "**");

    private Expression Left(Func<Expression> operand, params string[] signs)
    {
        var left = operand();
        while (Current.Kind == TokenKind.Operator && signs.Contains(Current.Text))
        {
            var sign = Take();
            left = new BinaryExpression(sign.Text, left, operand(), sign.Line);
        }

        return left;
    }

    private Expression Unary(bool withFilter = true)
    {
        var line = Line;
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        var value =
            TakeOperator("-") ? new UnaryExpression("-", Unary(withFilter: false), line)
            : TakeOperator("+") ? new UnaryExpression("+", Unary(withFilter: false), line)
            : Primary();
        value = Postfix(value);
        return withFilter ? FiltersAndTests(value) : value;
    }

    private Expression Primary()
    {
        var token = Take();
        switch (token.Kind)
        {
            case TokenKind.Name:
                if (token.Text is "true" or "True")
                    return new ConstantExpression(true, token.Line);
                if (token.Text is "false" or "False")
                    return new ConstantExpression(false, token.Line);
                if (token.Text is "none" or "None")
                    return new ConstantExpression(null, token.Line);
                if (_macroNames.TryPeek(out var names))
                    names.Add(token.Text);
                return new NameExpression(token.Text, token.Line);
            case TokenKind.Text:
                var text = token.Text;
                while (Current.Kind == TokenKind.Text)
                    text += Take().Text;
                return new ConstantExpression(text, token.Line);
            case TokenKind.Integer or TokenKind.Float:
                return new ConstantExpression(token.Value, token.Line);
            case TokenKind.Operator when token.Text == "(":
                var inner = Tuple(parenthesised: true);
                Expect(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                var items = new List<Expression>();
                while (!IsOperator("]"))
                {
                    if (items.Count > 0)
                        Expect(",");
                    if (IsOperator("]"))
                        break;
                    items.Add(Expression());
                }

                Expect("]");
                return new ListExpression([.. items], token.Line);
            case TokenKind.Operator when token.Text == "{":
                var pairs = new List<(Expression, Expression)>();
                while (!IsOperator("}"))
                {
                    if (pairs.Count > 0)
                        Expect(",");
                    if (IsOperator("}"))
                        break;
                    var key = Expression();
                    Expect(":");
                    pairs.Add((key, Expression()));
                }

                Expect("}");
                return new DictExpression([.. pairs], token.Line);
            default:
                _at--;
                throw Error($"unexpected {Describe(token)}");
        }
    }

    private Expression Postfix(Expression value)
    {
        while (true)
        {
            var line = Line;
            if (TakeOperator("."))
            {
                if (Current.Kind == TokenKind.Integer)
                    value = new ItemExpression(value, new ConstantExpression(Take().Value, line), line);
                else
                    value = new AttributeExpression(value, ExpectName(), line);
            }
            else if (TakeOperator("["))
            {
                value = new ItemExpression(value, Subscript(), line);
                Expect("]");
            }
            else if (IsOperator("("))
            {
                value = new CallExpression(value, Arguments(), line);
            }
            else
            {
                return value;
            }
        }
    }

    private Expression Subscript()
    {
        var line = Line;
        var first = IsOperator(":") ? null : Expression();
        if (!TakeOperator(":"))
            return first!;
        var stop = IsOperator(":") || IsOperator("]") ? null : Expression();
        var step = TakeOperator(":") && !IsOperator("]") ? Expression() : null;
        return new SliceExpression(first, stop, step, line);
    }

    private Expression FiltersAndTests(Expression value)
    {
        while (true)
        {
            if (IsOperator("|"))
                value = Filters(value, first: false)!;
            else if (IsName("is"))
                value = Test(value);
            else if (IsOperator("("))
                value = new CallExpression(value, Arguments(), Line);
            else
                return value;
        }
    }

    private FilterExpression? Filters(Expression? target, bool first)
    {
        FilterExpression? filter = null;
        while (first || IsOperator("|"))
        {
            if (!first)
                _at++;
            first = false;
            var line = Line;
            var name = Dotted();
            if (!TemplateFilters.Exists(name))
                throw Error($"No filter named '{name}'.");
            filter = new FilterExpression(filter ?? target, name, IsOperator("(") ? Arguments() : ArgumentList.Empty, line);
        }

        return filter;
    }

    private string Dotted()
    {
        var name = ExpectName();
        while (TakeOperator("."))
            name += "." + ExpectName();
        return name;
    }

    private TestExpression Test(Expression value)
    {
        var line = Line;
        _at++;
        var negated = TakeName("not");
        var name = Dotted();
        if (!TemplateTests.Exists(name))
            throw Error($"No test named '{name}'.");
        var arguments = ArgumentList.Empty;
        if (IsOperator("("))
        {
            arguments = Arguments();
        }
        else if (
            (Current.Kind is TokenKind.Name && Current.Text is not ("else" or "or" or "and" or "if"))
            || Current.Kind is TokenKind.Text or TokenKind.Integer or TokenKind.Float
            || IsOperator("[")
            || IsOperator("{")
        )
        {
            if (IsName("is"))
                throw Error("You cannot chain multiple tests with is");
            arguments = new ArgumentList([Postfix(Primary())], [], null, null);
        }

        return new TestExpression(value, name, arguments, negated, line);
    }

    private ArgumentList Arguments()
    {
        Expect("(");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        Expression? spread = null;
        Expression? namedSpread = null;
        var first = true;
        while (!IsOperator(")"))
        {
            if (!first)
                Expect(",");
            first = false;
            if (IsOperator(")"))
                break;
            if (TakeOperator("**"))
            {
                namedSpread = Expression();
            }
            else if (TakeOperator("*"))
            {
                spread = Expression();
            }
            else if (Current.Kind == TokenKind.Name && _tokens[_at + 1] is { Kind: TokenKind.Operator, Text: "=" })
            {
                var name = Take().Text;
                _at++;
                named.Add((name, Expression()));
            }
            else
            {
                if (named.Count > 0 || namedSpread is not null)
                    throw Error("invalid syntax for function call expression");
                positional.Add(Expression());
            }
        }

        Expect(")");
        return new ArgumentList([.. positional], [.. named], spread, namedSpread);
    }
}
