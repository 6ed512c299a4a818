// How fast tokenizers encode and decode, in megabytes a second of processor time (other programs on the machine change it little), and how fast a
// GGUF file's weights become floats.
//   dotnet run -c Release --project bench/TokenizerSpeed -- TEXT_FILE (FOLDER | FILE.gguf)...
using System.Diagnostics;
using System.Globalization;
using System.Text;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;

if (args.Length < 2)
{
    Console.Error.WriteLine("usage: TokenizerSpeed TEXT_FILE (FOLDER | FILE.gguf)...");
    return 2;
}

var text = File.ReadAllText(args[0]);
var megabytes = Encoding.UTF8.GetByteCount(text) / 1e6;
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{megabytes:F2} MB of text"));
foreach (var path in args.Skip(1))
{
    var watch = Stopwatch.StartNew();
    var tokenizer = path.EndsWith(".gguf", StringComparison.Ordinal) ? FromGguf(path) : Tokenizer.Load(path);
    Console.WriteLine($"{Path.GetFileName(path)}: loaded in {watch.ElapsedMilliseconds} ms");
    int[] ids = [];
    for (var pass = 1; pass <= 3; pass++)
    {
        var encode = Rate(() => ids = tokenizer.Encode(text));
        var spans = Rate(() => tokenizer.EncodeWithSpans(text));
        var decode = Rate(() => tokenizer.Decode(ids));
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"  pass {pass}: encode {encode:F1} MB/s, with spans {spans:F1} MB/s, decode {decode:F1} MB/s, {ids.Length} ids"
            )
        );
    }
}

return 0;

double Rate(Action action)
{
    var before = Environment.CpuUsage.UserTime;
    action();
    return megabytes / (Environment.CpuUsage.UserTime - before).TotalSeconds;
}

static Tokenizer FromGguf(string path)
{
    using var file = GgufFile.Open(path);
    var watch = Stopwatch.StartNew();
    var elements = 0L;
    foreach (var entry in file.Entries.Values)
    {
        Dequantizer.ToFloat(entry.Type, file.Bytes(entry), new float[entry.Elements]);
        elements += entry.Elements;
    }

    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{elements / 1e6:F0}M weights to floats in {watch.ElapsedMilliseconds} ms"));
    return Tokenizer.FromGguf(file);
}
