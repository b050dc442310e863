// How Unity imports the audio files of a Soundmill delivery: by the table unity_import.csv, which lies in the
// delivery's folder. Put that folder below Assets; Unity finds this script in its folder Editor.

using System.Collections.Generic;
using System.Globalization;
using System.IO;
using UnityEditor;
using UnityEngine;

public sealed class SoundmillAudioImport : AssetPostprocessor
{
    private const string Table = "unity_import.csv";

    private void OnPreprocessAudio()
    {
        string[] row = Find(assetPath);
        if (row == null)
        {
            return;
        }
        AudioImporter importer = (AudioImporter)assetImporter;
        if (!importer.importSettingsMissing)
        {
            return; // imported before: what somebody set by hand since stays
        }
        AudioImporterSampleSettings settings = importer.defaultSampleSettings;
        settings.loadType = (AudioClipLoadType)System.Enum.Parse(typeof(AudioClipLoadType), row[1]);
        settings.compressionFormat = (AudioCompressionFormat)System.Enum.Parse(typeof(AudioCompressionFormat), row[2]);
        settings.quality = float.Parse(row[3], CultureInfo.InvariantCulture);
        settings.preloadAudioData = row[5] == "1";
        importer.defaultSampleSettings = settings;
        importer.forceToMono = row[4] == "1";
    }

    // The row of an asset in the nearest table above it; null where there is none. Names hold neither commas nor quotes.
    private static string[] Find(string asset)
    {
        string folder = Path.GetDirectoryName(asset);
        while (!string.IsNullOrEmpty(folder))
        {
            string table = Path.Combine(folder, Table);
            if (File.Exists(table))
            {
                string name = asset.Substring(folder.Length + 1).Replace('\\', '/');
                foreach (string line in File.ReadLines(table))
                {
                    string[] cells = line.Split(',');
                    if (cells.Length == 6 && cells[0] == name)
                    {
                        return cells;
                    }
                }
                return null;
            }
            folder = Path.GetDirectoryName(folder);
        }
        return null;
    }
}
