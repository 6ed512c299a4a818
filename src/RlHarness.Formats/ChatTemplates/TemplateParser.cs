namespace RlHarness.Formats.ChatTemplates;

/// <summary>Statements of a template; expressions are read by the other half.</summary>
internal sealed partial class TemplateParser
{
    private readonly List<Token> _tokens;
    private readonly Stack<string> _open = new();
    private readonly Stack<HashSet<string>> _macroNames = new();
    private int _at;

    private TemplateParser(List<Token> tokens) => _tokens = tokens;

    /// <summary>Whether a <c>{% generation %}</c> block was read.</summary>
    public bool HasGeneration { get; private set; }

    public static (Statement[] Body, bool HasGeneration) Parse(string source)
    {
        var parser = new TemplateParser(TemplateLexer.Read(source));
        var body = parser.Body();
        if (parser.Current.Kind != TokenKind.End)
            throw parser.UnknownTag();
        return (body, parser.HasGeneration);
    }

    private Token Current => _tokens[_at];

    private int Line => Current.Line;

    private Token Take() => _tokens[_at++];

    private TemplateError Error(string message) => TemplateError.Syntax(message, Line);

    private TemplateError UnknownTag() => Error($"Encountered unknown tag '{_tokens[Math.Min(_at + 1, _tokens.Count - 1)].Text}'.");

    private bool IsName(string name) => Current.Kind == TokenKind.Name && Current.Text == name;

    private bool IsOperator(string sign) => Current.Kind == TokenKind.Operator && Current.Text == sign;

    private bool TakeName(string name)
    {
        if (!IsName(name))
            return false;
        _at++;
        return true;
    }

    private bool TakeOperator(string sign)
    {
        if (!IsOperator(sign))
            return false;
        _at++;
        return true;
    }

    private void Expect(string sign)
    {
        if (!TakeOperator(sign))
            throw Error($"expected '{sign}', got {Describe(Current)}");
    }

    private string ExpectName()
    {
        if (Current.Kind != TokenKind.Name)
            throw Error($"expected a name, got {Describe(Current)}");
        return Take().Text;
    }

    private void EndBlock()
    {
        if (Current.Kind != TokenKind.BlockEnd)
            throw Error($"expected the end of the block, got {Describe(Current)}");
        _at++;
    }

    private static string Describe(Token token) =>
        token.Kind switch
        {
            TokenKind.VariableEnd => "'end of print statement'",
            TokenKind.BlockEnd => "'end of statement block'",
            TokenKind.End => "the end of the template",
            _ => $"'{token.Text}'",
        };

    // Statements up to a block that begins with one of the names; that block's name is next then.
    private Statement[] Body(params string[] until)
    {
        var body = new List<Statement>();
        while (true)
        {
            switch (Current.Kind)
            {
                case TokenKind.End:
                    if (until.Length > 0)
                    {
                        throw Error(
                            "Unexpected end of template. Jinja was looking for the following tags: "
                                + $"{string.Join(" or ", until.Select(name => $"'{name}'"))}. The innermost block that needs to be closed is '{_open.Peek()}'."
                        );
                    }

                    return [.. body];
                case TokenKind.Data:
                    body.Add(new DataStatement(Current.Text, Line));
                    _at++;
                    break;
                case TokenKind.VariableBegin:
                    _at++;
                    var line = Line;
                    body.Add(new OutputStatement(Tuple(), line));
                    if (Current.Kind != TokenKind.VariableEnd)
                        throw Error($"expected the end of the print statement, got {Describe(Current)}");
                    _at++;
                    break;
                default:
                    if (_tokens[_at + 1].Kind == TokenKind.Name && until.Contains(_tokens[_at + 1].Text))
                    {
                        _at++;
                        return [.. body];
                    }

                    body.Add(Block());
                    break;
            }
        }
    }

    private Statement Block()
    {
        var start = _at;
        _at++;
        var line = Line;
        var name = Current.Kind == TokenKind.Name ? Take().Text : throw Error("expected a tag name");
        _open.Push(name);
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        Statement statement;
        switch (name)
        {
            case "if":
                statement = If(line);
                break;
            case "for":
                statement = For(line);
                break;
            case "set":
                statement = Set(line);
                break;
            case "macro":
                statement = Macro(ExpectName(), "endmacro", line);
                break;
            case "call":
                var parameters = IsOperator("(") ? Parameters() : [];
                var call = Postfix(Primary()) as CallExpression ?? throw Error("expected a call");
                var caller = Macro("caller", "endcall", line, parameters);
                statement = new CallBlockStatement(call, caller, line);
                break;
            case "filter":
                var filter = Filters(null, first: true)!;
                EndBlock();
                statement = new FilterBlockStatement(filter, Until("endfilter"), line);
                break;
            case "with":
                statement = With(line);
                break;
            case "generation":
                HasGeneration = true;
                EndBlock();
                statement = new GenerationStatement(Until("endgeneration"), line);
                break;
            case "break":
                statement = new BreakStatement(line);
                EndBlock();
                break;
            case "continue":
                statement = new ContinueStatement(line);
                EndBlock();
                break;
            case "print":
                statement = new OutputStatement(Tuple(), line);
                EndBlock();
                break;
            case "include" or "import" or "from" or "extends" or "block":
                throw Error($"the tag '{name}' needs other templates, which a chat template has not");
            default:
                _at = start;
                throw UnknownTag();
        }

        _open.Pop();
        return statement;
    }

    // A body and its end tag.
    private Statement[] Until(string end)
    {
        var body = Body(end);
        _at++;
        EndBlock();
        return body;
    }

    private IfStatement If(int line)
    {
        var branches = new List<(Expression, Statement[])>();
        while (true)
        {
            var condition = Tuple(withCondition: false);
            EndBlock();
            branches.Add((condition, Body("elif", "else", "endif")));
            if (!TakeName("elif"))
                break;
        }

        Statement[] otherwise = [];
        if (TakeName("else"))
        {
            EndBlock();
            otherwise = Body("endif");
        }

        _at++;
        EndBlock();
        return new IfStatement([.. branches], otherwise, line);
    }

    private ForStatement For(int line)
    {
        var target = Target("in");
        if (!TakeName("in"))
            throw Error($"expected 'in', got {Describe(Current)}");
        var iterable = Tuple(withCondition: false, end: "recursive");
        var filter = TakeName("if") ? Expression() : null;
        var recursive = TakeName("recursive");
        EndBlock();
        var body = Body("endfor", "else");
        Statement[] otherwise = [];
        if (TakeName("else"))
        {
            EndBlock();
            otherwise = Body("endfor");
        }

        _at++;
        EndBlock();
        return new ForStatement(target, iterable, filter, recursive, body, otherwise, line);
    }

    private Statement Set(int line)
    {
        var target = Target(null, attribute: true);
        if (TakeOperator("="))
        {
            var value = Tuple();
            EndBlock();
            return new SetStatement(target, value, line);
        }

        var filter = Filters(null, first: false);
        EndBlock();
        return new SetBlockStatement(target, filter, Until("endset"), line);
    }

    private WithStatement With(int line)
    {
        var bindings = new List<(Expression, Expression)>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (bindings.Count > 0)
                Expect(",");
            var target = Target(null);
            Expect("=");
            bindings.Add((target, Expression()));
        }

        EndBlock();
        return new WithStatement([.. bindings], Until("endwith"), line);
    }

    private MacroStatement Macro(string name, string end, int line, (string, Expression?)[]? parameters = null)
    {
        _macroNames.Push([]);
        parameters ??= Parameters();
        EndBlock();
        var body = Until(end);
        var uses = _macroNames.Pop();
        if (_macroNames.TryPeek(out var outer))
            outer.UnionWith(uses);
        return new MacroStatement(name, parameters, body, uses, line);
    }

    private (string, Expression?)[] Parameters()
    {
        var parameters = new List<(string, Expression?)>();
        Expect("(");
        while (!IsOperator(")"))
        {
            if (parameters.Count > 0)
                Expect(",");
            var name = ExpectName();
            var standard = TakeOperator("=") ? Expression() : null;
            if (standard is null && parameters.Count > 0 && parameters[^1].Item2 is not null)
                throw Error("non-default argument follows default argument");
            parameters.Add((name, standard));
        }

        Expect(")");
        return [.. parameters];
    }

    // What is assigned to: a name, names in a tuple, or an attribute of a namespace.
    private Expression Target(string? end, bool attribute = false)
    {
        var line = Line;
        if (attribute && Current.Kind == TokenKind.Name && _tokens[_at + 1] is { Kind: TokenKind.Operator, Text: "." })
        {
            var name = new NameExpression(ExpectName(), line);
            Expect(".");
            return new AttributeExpression(name, ExpectName(), line);
        }

        var items = new List<Expression>();
        var tuple = false;
        do
        {
            if (items.Count > 0 && (Current.Kind is TokenKind.BlockEnd || IsOperator("=") || IsOperator(")") || (end is not null && IsName(end))))
                break;
            if (TakeOperator("("))
            {
                items.Add(Target(null));
                Expect(")");
            }
            else
            {
                var name = ExpectName();
                if (name is "true" or "false" or "none" or "True" or "False" or "None")
                    throw Error($"can't assign to '{name}'");
                items.Add(new NameExpression(name, line));
            }

            tuple |= IsOperator(",");
        } while (TakeOperator(","));
        return tuple ? new TupleExpression([.. items], line) : items[0];
    }
}
