using System.Text;
using RlHarness.Core.Settings;
using RlHarness.Tests;

namespace RlHarness.Core.Tests.Settings;

[Trait("kind", "contract")]
public sealed class MutatedSettingsTests
{
    [Fact]
    public void Damaged_settings_are_read_or_refused_in_words()
    {
        const string Yaml = """
            # A comment.
            name: "run one"
            steps: 1_0
            rate: 2.5e-1
            fast: true
            big: 9000000000
            maybe: 4
            note: |
              two lines
              of text
            colour: deep_blue
            stages: [reward, corpus]
            inner: &inner
              learning_rate: 0.2
            optional: *inner
            cells:
              - { max_new_tokens: 1 }
              - learning_rate: 3
            """;
        Mutations.AreReadOrRefused(Encoding.UTF8.GetBytes(Yaml), 1000, bytes =>
            SettingsReader.Parse<SampleSettings>("a.yaml", Encoding.UTF8.GetString(bytes), [])
        );
    }

    [Theory]
    [InlineData("inner.learning_rate=0.5")]
    [InlineData("cells=[{max_new_tokens: 1}]")]
    public void A_damaged_override_is_read_or_refused_in_words(string valid) =>
        Mutations.AreReadOrRefused(Encoding.UTF8.GetBytes(valid), 5000, bytes =>
            SettingsReader.Parse<SampleSettings>("a.yaml", "", [Encoding.UTF8.GetString(bytes)])
        );
}
