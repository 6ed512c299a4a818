using System.Collections;
using System.Globalization;
using System.Reflection;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace RlHarness.Core.Settings;

/// <summary>
/// Reads YAML, with dotted overrides, into an immutable record. All problems are reported together, each with its key, place, value and allowed range; an
/// unknown key names its nearest known neighbour.
/// </summary>
public sealed class SettingsReader
{
    private readonly List<SettingsProblem> _problems = [];

    /// <summary>By node, not by what it holds: two scalars of one text are equal, and only one of them may stand on the command line.</summary>
    private readonly Dictionary<YamlNode, string> _origins = new(ReferenceEqualityComparer.Instance);

    private readonly WrittenSettings _written = new();
    private readonly string _file;

    /// <summary>
    /// True for a file that has every top-level key, but for those that are null when left out, which older files lack: none of them says what somebody wanted.
    /// </summary>
    private bool _listsAll;

    private SettingsReader(string file) => _file = file;

    /// <summary>
    /// Reads a file. <paramref name="check"/> finds what single values can't show; it is given the settings and which of them were written.
    /// </summary>
    /// <exception cref="HarnessException">The file is missing, is no YAML, or has problems.</exception>
    public static T Read<T>(string path, IReadOnlyList<string> overrides, Func<T, WrittenSettings, IEnumerable<SettingsProblem>>? check = null)
        where T : new()
    {
        if (!File.Exists(path))
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{path}: no such settings file",
                "nothing at this path",
                "a YAML file, such as configs/quickstart.yaml"
            );
        return Parse(path, TextFile.Read(path, "a settings file", LargestText), overrides, check);
    }

    /// <summary>Like <see cref="Read{T}"/>, but from text.</summary>
    public static T Parse<T>(string name, string yaml, IReadOnlyList<string> overrides, Func<T, WrittenSettings, IEnumerable<SettingsProblem>>? check = null)
        where T : new()
    {
        var reader = new SettingsReader(name);
        var root = reader.Load(yaml);
        var usual = new T();
        reader._listsAll = SettingProperties
            .Of(typeof(T))
            .All(p => p.GetValue(usual) is null || root.Children.ContainsKey(new YamlScalarNode(SettingNames.Snake(p.Name))));
        foreach (var text in overrides)
            reader.Apply(root, text);
        var result = (T)reader.Bind(typeof(T), root, new T(), "")!;
        if (reader._problems.Count == 0 && check is not null)
            reader._problems.AddRange(check(result, reader._written));
        if (reader._problems.Count == 0)
            return result;
        throw new HarnessException(
            ErrorKind.BadInput,
            $"{name}: {reader._problems.Count} problem{(reader._problems.Count == 1 ? "" : "s")} in the settings{Environment.NewLine}"
                + string.Join(Environment.NewLine, reader._problems.Select(p => "  - " + p)),
            remedy: "correct them all and start again; nothing was started (docs/settings.md lists every key)"
        );
    }

    /// <summary>
    /// Like <see cref="Parse{T}"/> without overrides, but returns the problems instead of throwing them. What could be read is in the result.
    /// </summary>
    /// <exception cref="HarnessException">The text is no YAML, or no mapping.</exception>
    public static (T Result, IReadOnlyList<SettingsProblem> Problems) Examine<T>(string name, string yaml)
        where T : new()
    {
        var reader = new SettingsReader(name);
        var result = (T)reader.Bind(typeof(T), reader.Load(yaml), new T(), "")!;
        return (result, reader._problems);
    }

    private const int DeepestNesting = 200;
    private const long LargestText = 16L << 20;

    private YamlMappingNode Load(string yaml)
    {
        YamlNode? root;
        try
        {
            root = Parsed(yaml);
        }
        catch (FormatException e)
        {
            throw new HarnessException(
                ErrorKind.BadInput,
                e.InnerException is YamlException at ? $"{_file}:{at.Start.Line}: not YAML" : $"{_file}: not YAML",
                e.Message,
                "YAML 1.2",
                "mind the indentation (spaces, not tabs) and closing brackets",
                e
            );
        }

        return root switch
        {
            null => new YamlMappingNode(),
            YamlMappingNode map => map,
            _ => throw new HarnessException(ErrorKind.BadInput, $"{_file}: the settings are not a mapping", "a list or a single value", "key: value lines"),
        };
    }

    /// <summary>The first document's root; null where there is none.</summary>
    /// <exception cref="FormatException">The text is no YAML. YamlDotNet has several exceptions for that, not all of them its own.</exception>
    private static YamlNode? Parsed(string yaml)
    {
        if (yaml.Contains('\0', StringComparison.Ordinal))
            throw new FormatException("a character of value 0");
        if (Depth(yaml) > DeepestNesting)
            throw new FormatException($"brackets or dashes nested more than {DeepestNesting} deep");
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(yaml));
            if (stream.Documents.Count == 0)
                return null;
            var root = stream.Documents[0].RootNode;
            Closed(root, []);
            return root;
        }
        catch (Exception e)
            when (e is YamlException or InvalidOperationException or ArgumentException or KeyNotFoundException or OverflowException or NullReferenceException)
        {
            throw new FormatException(e.Message, e);
        }
    }

    // YamlDotNet goes down once for each level, and ends the process where the stack does.
    private static int Depth(string yaml)
    {
        var (deepest, flow) = (0, 0);
        foreach (var line in yaml.AsSpan().EnumerateLines())
        {
            var dashes = 0;
            for (var i = 0; i < line.Length; i++)
            {
                if (line[i] is '[' or '{')
                    flow++;
                else if (line[i] is ']' or '}')
                    flow = Math.Max(0, flow - 1);
                else if (line[i] is '-' or '?' or ':' && i + 1 < line.Length && line[i + 1] == ' ')
                    dashes++;
                deepest = Math.Max(deepest, flow + dashes);
            }
        }

        return deepest;
    }

    // An alias of a node within that node has no end.
    private static void Closed(YamlNode node, List<YamlNode> above)
    {
        if (above.Any(n => ReferenceEquals(n, node)))
            throw new FormatException("an alias within what it stands for");
        above.Add(node);
        IEnumerable<YamlNode> children = node switch
        {
            YamlMappingNode map => map.Children.SelectMany(pair => new[] { pair.Key, pair.Value }),
            YamlSequenceNode list => list.Children,
            _ => [],
        };
        foreach (var child in children)
            if (child is not YamlScalarNode)
                Closed(child, above);
        above.RemoveAt(above.Count - 1);
    }

    /// <summary>Applies <c>a.b=c</c>; the value is YAML.</summary>
    private void Apply(YamlMappingNode root, string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 1)
        {
            _problems.Add(new(text, WrittenSettings.CommandLine, "an override is key=value, such as rl.optimizer.learning_rate=1e-5"));
            return;
        }

        var path = text[..equals].Split('.');
        YamlNode value;
        try
        {
            value = Parsed(text[(equals + 1)..]) ?? new YamlScalarNode("");
        }
        catch (FormatException e)
        {
            _problems.Add(new(text[..equals], WrittenSettings.CommandLine, $"not a YAML value: {e.Message}"));
            return;
        }

        Mark(value);
        var at = root;
        foreach (var part in path[..^1])
        {
            var key = new YamlScalarNode(part);
            if (at.Children.TryGetValue(key, out var child) && child is YamlMappingNode map)
            {
                at = map;
                continue;
            }

            var fresh = new YamlMappingNode();
            Mark(fresh);
            _origins[key] = WrittenSettings.CommandLine;
            at.Children[key] = fresh;
            at = fresh;
        }

        var last = new YamlScalarNode(path[^1]);
        at.Children.Remove(last);
        _origins[last] = WrittenSettings.CommandLine;
        at.Children.Add(last, value);
    }

    private void Mark(YamlNode node)
    {
        _origins[node] = WrittenSettings.CommandLine;
        switch (node)
        {
            case YamlMappingNode map:
                foreach (var (k, v) in map.Children)
                {
                    _origins[k] = WrittenSettings.CommandLine;
                    Mark(v);
                }

                break;
            case YamlSequenceNode list:
                foreach (var v in list.Children)
                    Mark(v);
                break;
        }
    }

    private string Where(YamlNode node) => _origins.TryGetValue(node, out var origin) ? origin : $"{_file}:{node.Start.Line}";

    private void Problem(string key, YamlNode node, string what) => _problems.Add(new(key, Where(node), what));

    private object? Bind(Type type, YamlNode node, object? fallback, string path)
    {
        var bare = Nullable.GetUnderlyingType(type) ?? type;
        if (node is YamlScalarNode { Style: ScalarStyle.Plain or ScalarStyle.Any } empty && (empty.Value is null or "" or "null" or "~"))
        {
            if (
                Nullable.GetUnderlyingType(type) is not null
                || (!type.IsValueType && bare != typeof(string) && !typeof(IEnumerable).IsAssignableFrom(bare))
                || (bare == typeof(string) && fallback is null)
            )
                return null;
            Problem(path, node, $"empty; expected {Describe(bare)}");
            return fallback;
        }

        if (bare == typeof(string) || bare.IsPrimitive || bare.IsEnum)
            return Scalar(bare, node, fallback, path);
        if (bare.IsGenericType && bare.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
            return List(bare.GetGenericArguments()[0], node, fallback, path);
        if (bare.IsGenericType && bare.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>))
            return Map(bare.GetGenericArguments()[1], node, fallback, path);
        return Record(bare, node, fallback, path);
    }

    private object? Scalar(Type type, YamlNode node, object? fallback, string path)
    {
        if (node is not YamlScalarNode { Value: { } text })
        {
            Problem(path, node, $"a {(node is YamlSequenceNode ? "list" : "mapping")}; expected {Describe(type)}");
            return fallback;
        }

        var culture = CultureInfo.InvariantCulture;
        if (type == typeof(string))
            return text;
        if (type == typeof(bool) && bool.TryParse(text, out var b))
            return b;
        if (type == typeof(int) && int.TryParse(text.Replace("_", "", StringComparison.Ordinal), NumberStyles.AllowLeadingSign, culture, out var i))
            return i;
        if (type == typeof(long) && long.TryParse(text.Replace("_", "", StringComparison.Ordinal), NumberStyles.AllowLeadingSign, culture, out var l))
            return l;
        if (type == typeof(double) && double.TryParse(text, NumberStyles.Float, culture, out var d))
            return d;
        if (type.IsEnum && Enum.GetValues(type).Cast<object>().FirstOrDefault(v => SettingNames.Snake(v.ToString()!) == text) is { } value)
            return value;
        Problem(
            path,
            node,
            $"\"{text}\"; expected {Describe(type)}" + (type.IsEnum && Nearest.To(text, EnumNames(type)) is { } near ? $" (did you mean {near}?)" : "")
        );
        return fallback;
    }

    private object? List(Type item, YamlNode node, object? fallback, string path)
    {
        if (node is not YamlSequenceNode sequence)
        {
            Problem(path, node, $"not a list; expected a list of {Describe(item)}, such as [a, b]");
            return fallback;
        }

        var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(item))!;
        for (var i = 0; i < sequence.Children.Count; i++)
        {
            var value = Bind(item, sequence.Children[i], Default(item), $"{path}[{i}]");
            if (value is not null)
                list.Add(value);
        }

        return list;
    }

    /// <summary>Names of the reader's own choice, each with a value of one type.</summary>
    private object? Map(Type item, YamlNode node, object? fallback, string path)
    {
        if (node is not YamlMappingNode mapping)
        {
            Problem(path, node, $"not a mapping; expected name: {Describe(item)} lines below it");
            return fallback;
        }

        var map = (IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(typeof(string), item))!;
        foreach (var (keyNode, valueNode) in mapping.Children)
        {
            var key = (keyNode as YamlScalarNode)?.Value ?? "";
            if (Bind(item, valueNode, Default(item), path.Length == 0 ? key : $"{path}.{key}") is { } value)
                map[key] = value;
        }

        return map;
    }

    private static object? Default(Type type) =>
        type.IsInterface ? null
        : type.IsValueType ? Activator.CreateInstance(type)
        : type == typeof(string) ? ""
        : Activator.CreateInstance(type);

    private NullabilityInfoContext Nullability { get; } = new();

    private object? Record(Type type, YamlNode node, object? fallback, string path)
    {
        if (node is YamlScalarNode && SettingProperties.Of(type).FirstOrDefault(p => p.GetCustomAttribute<ShorthandAttribute>() is not null) is { } only)
        {
            var single = fallback is null ? Activator.CreateInstance(type)! : Clone(fallback);
            var value = Bind(only.PropertyType, node, only.GetValue(single), path);
            Check(only, value, node, path);
            only.SetValue(single, value);
            return single;
        }

        if (node is not YamlMappingNode map)
        {
            Problem(path, node, "a single value; expected key: value lines below it");
            return fallback;
        }

        var result = fallback is null ? Activator.CreateInstance(type)! : Clone(fallback);
        var properties = SettingProperties.Of(type).ToDictionary(p => SettingNames.Snake(p.Name), StringComparer.Ordinal);
        foreach (var (keyNode, valueNode) in map.Children)
        {
            var key = (keyNode as YamlScalarNode)?.Value ?? "";
            var full = path.Length == 0 ? key : $"{path}.{key}";
            if (!properties.TryGetValue(key, out var property))
            {
                Problem(
                    full,
                    keyNode,
                    Nearest.To(key, properties.Keys) is { } near
                        ? $"unknown key; did you mean {(path.Length == 0 ? near : $"{path}.{near}")}?"
                        : $"unknown key; known here: {string.Join(", ", properties.Keys)}"
                );
                continue;
            }

            if (Where(valueNode) is var place && (place == WrittenSettings.CommandLine || !_listsAll))
                _written.Add(full, place);
            var before = _problems.Count;
            var value = Bind(property.PropertyType, valueNode, property.GetValue(result), full);
            if (_problems.Count == before)
                Check(property, value, valueNode, full);
            // A section without keys, as when all of its lines are comments, is the section with its defaults.
            if (value is null && Nullability.Create(property).WriteState == NullabilityState.NotNull)
                continue;
            property.SetValue(result, value);
        }

        return result;
    }

    private void Check(PropertyInfo property, object? value, YamlNode node, string path)
    {
        if (value is null)
            return;
        if (
            property.GetCustomAttribute<AllowedAttribute>() is { } range
            && value is IConvertible number and not string
            && !range.Holds(number.ToDouble(CultureInfo.InvariantCulture))
        )
            Problem(path, node, $"{((IFormattable)value).ToString(null, CultureInfo.InvariantCulture)}; allowed: {range}");
        if (property.GetCustomAttribute<OneOfAttribute>() is { } words)
            foreach (var text in value is string s ? [s] : value as IEnumerable<string> ?? [])
                if (!words.Values.Contains(text))
                    Problem(
                        path,
                        node,
                        $"\"{text}\"; allowed: {string.Join(", ", words.Values)}"
                            + (Nearest.To(text, words.Values) is { } near ? $" (did you mean {near}?)" : "")
                    );
    }

    /// <summary>A shallow copy: records copy themselves through their hidden clone method.</summary>
    private static object Clone(object record) => record.GetType().GetMethod("<Clone>$")?.Invoke(record, null) ?? record;

    private static IEnumerable<string> EnumNames(Type type) => Enum.GetNames(type).Select(SettingNames.Snake);

    private static string Describe(Type type) =>
        type == typeof(bool) ? "true or false"
        : type == typeof(int) || type == typeof(long) ? "a whole number"
        : type == typeof(double) ? "a number"
        : type.IsEnum ? string.Join(", ", EnumNames(type))
        : type == typeof(string) ? "text"
        : typeof(IEnumerable).IsAssignableFrom(type) ? "a list"
        : "key: value lines";
}
