using System.Text;

namespace RlHarness.Core.Settings;

/// <summary>C# names to the spelling of files: <c>LearningRate</c> is <c>learning_rate</c>.</summary>
public static class SettingNames
{
    public static string Snake(string name)
    {
        var text = new StringBuilder();
        for (var i = 0; i < name.Length; i++)
        {
            if (char.IsUpper(name[i]) && i > 0 && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1]))))
                text.Append('_');
            text.Append(char.ToLowerInvariant(name[i]));
        }

        return text.ToString();
    }

    /// <summary>A value as files hold it: <c>Outcome.BrokenFormat</c> is <c>broken_format</c>.</summary>
    public static string Snake(Enum value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return Snake(value.ToString());
    }
}
