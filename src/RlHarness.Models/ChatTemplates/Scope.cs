namespace RlHarness.Models.ChatTemplates;

/// <summary>Variables of one block; reading goes outwards, writing stays.</summary>
internal sealed class Scope(Scope? outer)
{
    private readonly Dictionary<string, object?> _values = new(StringComparer.Ordinal);

    public bool TryGet(string name, out object? value)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope._values.TryGetValue(name, out value))
                return true;
        }

        value = null;
        return false;
    }

    public Scope? Outer => outer;

    public void Set(string name, object? value) => _values[name] = value;
}
