using System.Text;

namespace RlHarness.Formats.ChatTemplates;

/// <summary>
/// Runs a template. It can neither change what it was given nor reach out of it, and it is stopped when it takes too many steps or writes too much.
/// </summary>
internal sealed class Interpreter(TimeProvider clock)
{
    private const int MostSteps = 5_000_000;
    private const int LongestOutput = 1 << 26;
    private const int DeepestCall = 200;

    private enum Flow
    {
        Normal,
        Break,
        Continue,
    }

    private readonly StringBuilder _main = new();
    private readonly List<(int Start, int End)> _spans = [];
    private StringBuilder _output = new();
    private int _steps;
    private int _written;
    private int _depth;

    /// <summary>Where generation blocks stand in the text; null where one was inside a macro or another captured text.</summary>
    public IReadOnlyList<(int Start, int End)>? Spans { get; private set; }

    public string Run(Statement[] body, IEnumerable<KeyValuePair<string, object?>> variables)
    {
        var globals = new Scope(null);
        foreach (var (name, function) in TemplateGlobals.All(clock))
            globals.Set(name, function);
        var scope = new Scope(globals);
        foreach (var (name, value) in variables)
            scope.Set(name, value);
        _output = _main;
        Spans = _spans;
        TemplateWork.Begin(variables.Select(pair => pair.Value).Sum(Characters));
        try
        {
            Execute(body, scope);
        }
        finally
        {
            TemplateWork.End();
        }

        return _main.ToString();
    }

    private static long Characters(object? value) =>
        value switch
        {
            string text => text.Length,
            List<object?> list => list.Sum(Characters),
            TupleValue tuple => tuple.Items.Sum(Characters),
            DictValue dict => dict.Items.Sum(pair => Characters(pair.Key) + Characters(pair.Value)),
            _ => 1,
        };

    private void Step(int line)
    {
        if (++_steps > MostSteps)
            throw new TemplateError($"the template takes more than {MostSteps} steps", TemplateErrorKind.Limit, line);
    }

    private void Write(string text)
    {
        TemplateWork.Spend(text.Length);
        _written += text.Length;
        if (_written > LongestOutput)
            throw new TemplateError($"the template writes more than {LongestOutput} characters", TemplateErrorKind.Limit);
        _output.Append(text);
    }

    private string Capture(Action body)
    {
        if (++_depth > DeepestCall)
            throw new TemplateError("maximum recursion depth exceeded", TemplateErrorKind.Limit);
        var outer = _output;
        _output = new StringBuilder();
        try
        {
            body();
            return _output.ToString();
        }
        finally
        {
            _output = outer;
            _depth--;
        }
    }

    private Flow Execute(Statement[] body, Scope scope)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        foreach (var statement in body)
        {
            try
            {
                Step(statement.Line);
                var flow = Execute(statement, scope);
                if (flow != Flow.Normal)
                    return flow;
            }
            catch (TemplateError e) when (e.Line == 0)
            {
                e.Line = statement.Line;
                throw;
            }
        }

        return Flow.Normal;
    }

    private Flow Execute(Statement statement, Scope scope)
    {
        switch (statement)
        {
            case DataStatement data:
                Write(data.Text);
                break;
            case OutputStatement output:
                Write(PythonText.Str(Evaluate(output.Value, scope)));
                break;
            case IfStatement conditional:
                foreach (var (condition, body) in conditional.Branches)
                {
                    if (PythonOperators.Truth(Evaluate(condition, scope)))
                        return Execute(body, scope);
                }

                return Execute(conditional.Else, scope);
            case ForStatement loop:
                Loop(loop, Evaluate(loop.Iterable, scope), scope, 0);
                break;
            case SetStatement set:
                Assign(set.Target, Evaluate(set.Value, scope), scope);
                break;
            case SetBlockStatement set:
                object? text = Capture(() => Execute(set.Body, new Scope(scope)));
                Assign(set.Target, set.Filter is null ? text : Filter(set.Filter, text, scope), scope);
                break;
            case FilterBlockStatement block:
                Write(PythonText.Str(Filter(block.Filter, Capture(() => Execute(block.Body, new Scope(scope))), scope)));
                break;
            case WithStatement with:
                var inner = new Scope(scope);
                foreach (var (target, value) in with.Bindings)
                    Assign(target, Evaluate(value, scope), inner);
                return Execute(with.Body, inner);
            case MacroStatement macro:
                scope.Set(macro.Name, Macro(macro, scope));
                break;
            case CallBlockStatement call:
                var caller = Macro(call.Caller, scope);
                var arguments = Bind(call.Call.Arguments, scope);
                Write(
                    PythonText.Str(Call(Evaluate(call.Call.Target, scope), new Arguments(arguments.Positional, [.. arguments.Named, new("caller", caller)])))
                );
                break;
            case GenerationStatement generation:
                var start = _output.Length;
                Execute(generation.Body, new Scope(scope));
                if (ReferenceEquals(_output, _main))
                    _spans.Add((start, _output.Length));
                else
                    Spans = null;
                break;
            case BreakStatement:
                return Flow.Break;
            case ContinueStatement:
                return Flow.Continue;
            default:
                throw new InvalidOperationException(statement.GetType().Name);
        }

        return Flow.Normal;
    }

    private void Loop(ForStatement loop, object? iterable, Scope scope, int depth)
    {
        var items = new List<object?>();
        foreach (var item in PythonOperators.Iterate(iterable))
        {
            Step(loop.Line);
            if (loop.Filter is not null)
            {
                var tested = new Scope(scope);
                Assign(loop.Target, item, tested);
                if (!PythonOperators.Truth(Evaluate(loop.Filter, tested)))
                    continue;
            }

            items.Add(item);
        }

        Func<object?, int, string>? again = loop.Recursive ? (inner, level) => Capture(() => Loop(loop, inner, scope, level)) : null;
        var state = new LoopValue(items, depth, again);
        var anyEnded = false;
        for (var i = 0; i < items.Count; i++)
        {
            state.Index = i;
            var body = new Scope(scope);
            body.Set("loop", state);
            Assign(loop.Target, items[i], body);
            var flow = Execute(loop.Body, body);
            if (flow == Flow.Break)
                break;
            if (flow == Flow.Normal)
                anyEnded = true;
        }

        // Jinja's own rule: also after `break` in the first pass, or `continue` in all
        if (!anyEnded)
            Execute(loop.Else, new Scope(scope));
    }

    private static void Assign(Expression target, object? value, Scope scope)
    {
        switch (target)
        {
            case NameExpression name:
                scope.Set(name.Name, value);
                break;
            case AttributeExpression { Target: NameExpression owner } attribute:
                if (!scope.TryGet(owner.Name, out var found) || found is not NamespaceValue space)
                    throw new TemplateError("cannot assign attribute on non-namespace object");
                if (attribute.Name.StartsWith('_'))
                {
                    throw TemplateError.Security(
                        $"Chat templates cannot store underscore-prefixed attributes on a namespace, but got '{attribute.Name}'. Please rename the attribute."
                    );
                }

                space.Attributes.Set(attribute.Name, value);
                break;
            case TupleExpression tuple:
                var values = PythonOperators.Iterate(value).ToList();
                if (values.Count > tuple.Items.Length)
                    throw new TemplateError($"too many values to unpack (expected {tuple.Items.Length})");
                if (values.Count < tuple.Items.Length)
                    throw new TemplateError($"not enough values to unpack (expected {tuple.Items.Length}, got {values.Count})");
                for (var i = 0; i < values.Count; i++)
                    Assign(tuple.Items[i], values[i], scope);
                break;
            default:
                throw new TemplateError("cannot assign to this");
        }
    }

    private FunctionValue Macro(MacroStatement macro, Scope scope)
    {
        var function = new FunctionValue(macro.Name, arguments => Capture(() =>
            {
                var inner = new Scope(scope);
                var named = arguments.Named.ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
                named.Remove("caller", out var caller);
                for (var i = 0; i < macro.Parameters.Length; i++)
                {
                    var (name, standard) = macro.Parameters[i];
                    if (i < arguments.Positional.Count)
                    {
                        if (named.ContainsKey(name))
                            throw TemplateError.Type($"macro '{macro.Name}' got multiple values for argument '{name}'");
                        inner.Set(name, arguments.Positional[i]);
                    }
                    else if (named.Remove(name, out var value))
                    {
                        inner.Set(name, value);
                    }
                    else
                    {
                        inner.Set(name, standard is null ? new UndefinedValue($"parameter '{name}' was not provided") : Evaluate(standard, inner));
                    }
                }

                if (macro.Uses.Contains("caller"))
                    inner.Set("caller", caller ?? new UndefinedValue("No caller defined"));
                else if (caller is not null)
                    throw TemplateError.Type($"macro '{macro.Name}' was invoked with two values for the special caller argument");
                if (macro.Uses.Contains("kwargs"))
                    inner.Set("kwargs", TemplateFilters.Dict(named));
                else if (named.Count > 0)
                    throw TemplateError.Type($"macro '{macro.Name}' takes no keyword argument '{named.Keys.First()}'");
                if (macro.Uses.Contains("varargs"))
                    inner.Set("varargs", new TupleValue([.. arguments.Positional.Skip(macro.Parameters.Length)]));
                else if (arguments.Positional.Count > macro.Parameters.Length)
                    throw TemplateError.Type($"macro '{macro.Name}' takes not more than {macro.Parameters.Length} argument(s)");
                Execute(macro.Body, inner);
            }));
        function.Attributes["name"] = macro.Name;
        function.Attributes["arguments"] = new TupleValue([.. macro.Parameters.Select(parameter => parameter.Name)]);
        return function;
    }

    private object? Call(object? target, Arguments arguments) =>
        target switch
        {
            FunctionValue function => function.Call(arguments),
            LoopValue { Again: { } again } loop => again(arguments.Require(0, "iterable"), loop.Depth + 1),
            LoopValue => throw TemplateError.Type("The loop must have the 'recursive' marker to be called recursively."),
            UndefinedValue undefined => throw undefined.Error(),
            _ => throw TemplateError.Type($"'{PythonText.TypeName(target)}' object is not callable"),
        };

    private Arguments Bind(ArgumentList list, Scope scope)
    {
        if (list.Positional.Length == 0 && list.Named.Length == 0 && list.Spread is null && list.NamedSpread is null)
            return Arguments.None;
        var positional = list.Positional.Select(item => Evaluate(item, scope)).ToList();
        if (list.Spread is not null)
            positional.AddRange(PythonOperators.Iterate(Evaluate(list.Spread, scope)));
        var named = list.Named.Select(pair => KeyValuePair.Create(pair.Name, Evaluate(pair.Value, scope))).ToList();
        if (list.NamedSpread is not null)
        {
            if (Evaluate(list.NamedSpread, scope) is not DictValue dict)
                throw TemplateError.Type("argument after ** must be a mapping");
            named.AddRange(dict.Items.Select(pair => KeyValuePair.Create(PythonText.Str(pair.Key), pair.Value)));
        }

        if (named.Select(pair => pair.Key).Distinct(StringComparer.Ordinal).Count() != named.Count)
            throw TemplateError.Type("got multiple values for a keyword argument");
        return new Arguments(positional, named);
    }

    private object? Filter(FilterExpression filter, object? text, Scope scope) =>
        TemplateFilters.Apply(filter.Name, filter.Target is FilterExpression inner ? Filter(inner, text, scope) : text, Bind(filter.Arguments, scope));

    private object? Evaluate(Expression expression, Scope scope)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        Step(expression.Line);
        var value = EvaluateOne(expression, scope);
        if (expression is not (ConstantExpression or NameExpression or AttributeExpression or ConditionalExpression))
            TemplateWork.SpendOn(value);
        return value;
    }

    private object? EvaluateOne(Expression expression, Scope scope)
    {
        switch (expression)
        {
            case ConstantExpression constant:
                return constant.Value;
            case NameExpression name:
                return scope.TryGet(name.Name, out var value) ? value : new UndefinedValue($"'{name.Name}' is undefined");
            case AttributeExpression attribute:
                return PythonAttributes.Attribute(Evaluate(attribute.Target, scope), attribute.Name);
            case ItemExpression { Index: SliceExpression slice } item:
                return PythonAttributes.Slice(
                    Evaluate(item.Target, scope),
                    Optional(slice.Start, scope),
                    Optional(slice.Stop, scope),
                    Optional(slice.Step, scope)
                );
            case ItemExpression item:
                return PythonAttributes.Item(Evaluate(item.Target, scope), Evaluate(item.Index, scope));
            case CallExpression call:
                var target = Evaluate(call.Target, scope);
                return Call(target, Bind(call.Arguments, scope));
            case FilterExpression filter:
                return TemplateFilters.Apply(filter.Name, Evaluate(filter.Target!, scope), Bind(filter.Arguments, scope));
            case TestExpression test:
                return TemplateTests.Apply(test.Name, Evaluate(test.Target, scope), Bind(test.Arguments, scope)) != test.Negated;
            case BinaryExpression { Operator: "and" } both:
                var first = Evaluate(both.Left, scope);
                return PythonOperators.Truth(first) ? Evaluate(both.Right, scope) : first;
            case BinaryExpression { Operator: "or" } either:
                var left = Evaluate(either.Left, scope);
                return PythonOperators.Truth(left) ? left : Evaluate(either.Right, scope);
            case BinaryExpression binary:
                var operand = Evaluate(binary.Left, scope);
                return PythonOperators.Binary(binary.Operator, operand, Evaluate(binary.Right, scope));
            case UnaryExpression { Operator: "not" } not:
                return !PythonOperators.Truth(Evaluate(not.Operand, scope));
            case UnaryExpression unary:
                var number = Evaluate(unary.Operand, scope);
                return unary.Operator == "-" ? PythonOperators.Negate(number) : PythonOperators.Negate(PythonOperators.Negate(number));
            case ConcatExpression concat:
                return string.Concat(concat.Parts.Select(part => PythonText.Str(Evaluate(part, scope))));
            case CompareExpression compare:
                return Compare(compare, scope);
            case ConditionalExpression conditional:
                if (PythonOperators.Truth(Evaluate(conditional.Condition, scope)))
                    return Evaluate(conditional.Then, scope);
                return conditional.Else is null
                    ? new UndefinedValue("the inline if-expression evaluated to false and no else section was defined.")
                    : Evaluate(conditional.Else, scope);
            case ListExpression list:
                return list.Items.Select(item => Evaluate(item, scope)).ToList();
            case TupleExpression tuple:
                return new TupleValue(tuple.Items.Select(item => Evaluate(item, scope)).ToList());
            case DictExpression dict:
                var made = new DictValue();
                foreach (var (key, item) in dict.Items)
                    made.Set(Evaluate(key, scope), Evaluate(item, scope));
                return made;
            default:
                throw new InvalidOperationException(expression.GetType().Name);
        }
    }

    private object? Optional(Expression? expression, Scope scope) => expression is null ? null : Evaluate(expression, scope);

    private object Compare(CompareExpression compare, Scope scope)
    {
        var left = Evaluate(compare.First, scope);
        foreach (var (sign, operand) in compare.Rest)
        {
            var right = Evaluate(operand, scope);
            if (!PythonOperators.Compare(sign, left, right))
                return false;
            left = right;
        }

        return true;
    }
}

/// <summary>
/// What a rendering may still make, in characters: 64 times what it was given, and a few million. Steps alone are no bound: one step can write a text a
/// million times.
/// </summary>
internal static class TemplateWork
{
    private const long Least = 1 << 23;
    private const long Times = 64;

    /// <summary>A list's entry takes as much memory as so many characters.</summary>
    internal const int Entry = 8;

    [ThreadStatic]
    private static long? _left;

    public static void Begin(long given) => _left = Least + (Times * given);

    public static void End() => _left = null;

    /// <summary>Takes from what is left, before so many characters are made; outside of a rendering nothing is counted.</summary>
    /// <exception cref="TemplateError">There is not so much left.</exception>
    public static void Spend(long characters)
    {
        if (_left is not { } left)
            return;
        _left = left - characters;
        if (left < characters)
            throw new TemplateError("the template makes more text than it can need", TemplateErrorKind.Limit);
    }

    public static void SpendOn(object? value)
    {
        if (value is string text)
            Spend(text.Length);
        else if (value is List<object?> list)
            Spend((long)list.Count * Entry);
        else if (value is TupleValue tuple)
            Spend((long)tuple.Items.Count * Entry);
    }
}
