using System.Numerics;

namespace RlHarness.Formats.ChatTemplates;

/// <summary>What may follow <c>is</c>.</summary>
internal static class TemplateTests
{
    private static readonly Dictionary<string, Func<object?, Arguments, bool>> All = new(StringComparer.Ordinal)
    {
        ["defined"] = (value, _) => value is not UndefinedValue,
        ["undefined"] = (value, _) => value is UndefinedValue,
        ["none"] = (value, _) => value is null,
        ["boolean"] = (value, _) => value is bool,
        ["true"] = (value, _) => value is true,
        ["false"] = (value, _) => value is false,
        ["integer"] = (value, _) => value is long or BigInteger,
        ["float"] = (value, _) => value is double,
        ["number"] = (value, _) => PythonOperators.IsNumber(value),
        ["string"] = (value, _) => value is string,
        ["mapping"] = (value, _) => value is DictValue,
        ["sequence"] = (value, _) => value is string or List<object?> or TupleValue or DictValue or RangeValue or UndefinedValue,
        ["iterable"] = (value, _) => PythonOperators.IsIterable(value),
        ["callable"] = (value, _) => value is FunctionValue or UndefinedValue or LoopValue,
        ["sameas"] = (value, a) => Same(value, a.Require(0, "other")),
        ["escaped"] = (_, _) => false,
        ["in"] = (value, a) => PythonOperators.Contains(a.Require(0, "seq"), value),
        ["odd"] = (value, _) => Remainder(value, 2L) == 1,
        ["even"] = (value, _) => Remainder(value, 2L) == 0,
        ["divisibleby"] = (value, a) => Remainder(value, a.Require(0, "num")) == 0,
        ["lower"] = (value, _) => StringMethods.IsCase(PythonText.Str(value), upper: false),
        ["upper"] = (value, _) => StringMethods.IsCase(PythonText.Str(value), upper: true),
        ["filter"] = (value, _) => value is string name && TemplateFilters.Exists(name),
        ["test"] = (value, _) => value is string name && Exists(name),
        ["eq"] = (value, a) => Compare("==", value, a),
        ["equalto"] = (value, a) => Compare("==", value, a),
        ["ne"] = (value, a) => Compare("!=", value, a),
        ["lt"] = (value, a) => Compare("<", value, a),
        ["lessthan"] = (value, a) => Compare("<", value, a),
        ["le"] = (value, a) => Compare("<=", value, a),
        ["gt"] = (value, a) => Compare(">", value, a),
        ["greaterthan"] = (value, a) => Compare(">", value, a),
        ["ge"] = (value, a) => Compare(">=", value, a),
    };

    public static bool Exists(string name) => All!.ContainsKey(name);

    public static bool Apply(string name, object? value, Arguments arguments) =>
        All.TryGetValue(name, out var test) ? test(value, arguments) : throw TemplateError.Syntax($"No test named '{name}'.", 0);

    private static bool Compare(string sign, object? value, Arguments arguments) => PythonOperators.Compare(sign, value, arguments.Require(0, "other"));

    private static double Remainder(object? value, object? by) =>
        PythonOperators.Real(
            PythonOperators.Binary("%", value, by) is { } rest && PythonOperators.IsNumber(rest) ? rest : throw TemplateError.Type("not a number")
        );

    // Small whole numbers, texts, booleans and None are single objects in Python; lists and dicts are not.
    private static bool Same(object? left, object? right) =>
        (left, right) switch
        {
            (null, null) => true,
            (bool a, bool b) => a == b,
            (long a, long b) => a == b,
            (string a, string b) => a == b,
            _ => ReferenceEquals(left, right) && left is not null,
        };
}
