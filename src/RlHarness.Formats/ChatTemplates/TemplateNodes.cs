namespace RlHarness.Formats.ChatTemplates;

/// <summary>An expression of a template.</summary>
internal abstract record Expression(int Line);

internal sealed record ConstantExpression(object? Value, int Line) : Expression(Line);

internal sealed record NameExpression(string Name, int Line) : Expression(Line);

internal sealed record ListExpression(Expression[] Items, int Line) : Expression(Line);

internal sealed record TupleExpression(Expression[] Items, int Line) : Expression(Line);

internal sealed record DictExpression((Expression Key, Expression Value)[] Items, int Line) : Expression(Line);

internal sealed record AttributeExpression(Expression Target, string Name, int Line) : Expression(Line);

internal sealed record ItemExpression(Expression Target, Expression Index, int Line) : Expression(Line);

internal sealed record SliceExpression(Expression? Start, Expression? Stop, Expression? Step, int Line) : Expression(Line);

internal sealed record CallExpression(Expression Target, ArgumentList Arguments, int Line) : Expression(Line);

/// <summary><paramref name="Target"/> is null where a block's own text is filtered.</summary>
internal sealed record FilterExpression(Expression? Target, string Name, ArgumentList Arguments, int Line) : Expression(Line);

internal sealed record TestExpression(Expression Target, string Name, ArgumentList Arguments, bool Negated, int Line) : Expression(Line);

internal sealed record UnaryExpression(string Operator, Expression Operand, int Line) : Expression(Line);

internal sealed record BinaryExpression(string Operator, Expression Left, Expression Right, int Line) : Expression(Line);

internal sealed record ConcatExpression(Expression[] Parts, int Line) : Expression(Line);

internal sealed record CompareExpression(Expression First, (string Operator, Expression Operand)[] Rest, int Line) : Expression(Line);

internal sealed record ConditionalExpression(Expression Condition, Expression Then, Expression? Else, int Line) : Expression(Line);

internal sealed record ArgumentList(Expression[] Positional, (string Name, Expression Value)[] Named, Expression? Spread, Expression? NamedSpread)
{
    public static ArgumentList Empty { get; } = new([], [], null, null);
}

/// <summary>A statement of a template.</summary>
internal abstract record Statement(int Line);

internal sealed record DataStatement(string Text, int Line) : Statement(Line);

internal sealed record OutputStatement(Expression Value, int Line) : Statement(Line);

internal sealed record IfStatement((Expression Condition, Statement[] Body)[] Branches, Statement[] Else, int Line) : Statement(Line);

internal sealed record ForStatement(Expression Target, Expression Iterable, Expression? Filter, bool Recursive, Statement[] Body, Statement[] Else, int Line)
    : Statement(Line);

internal sealed record SetStatement(Expression Target, Expression Value, int Line) : Statement(Line);

internal sealed record SetBlockStatement(Expression Target, FilterExpression? Filter, Statement[] Body, int Line) : Statement(Line);

internal sealed record FilterBlockStatement(FilterExpression Filter, Statement[] Body, int Line) : Statement(Line);

internal sealed record WithStatement((Expression Target, Expression Value)[] Bindings, Statement[] Body, int Line) : Statement(Line);

internal sealed record MacroStatement(string Name, (string Name, Expression? Default)[] Parameters, Statement[] Body, IReadOnlySet<string> Uses, int Line)
    : Statement(Line);

internal sealed record CallBlockStatement(CallExpression Call, MacroStatement Caller, int Line) : Statement(Line);

internal sealed record GenerationStatement(Statement[] Body, int Line) : Statement(Line);

internal sealed record BreakStatement(int Line) : Statement(Line);

internal sealed record ContinueStatement(int Line) : Statement(Line);
